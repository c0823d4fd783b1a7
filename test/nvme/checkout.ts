import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '../..');

/** This program as another release would lie beside it: a checkout of its own. Returns its command. */
export async function createOtherCheckout(version: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'checkout-'));
  await cp(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  const file = path.join(folder, 'dist/package.json');
  await writeFile(file, (await readFile(file, 'utf8')).replace(/"version": *"[^"]*"/, `"version": "${version}"`));
  return path.join(folder, 'dist/src/cli/main.js');
}
