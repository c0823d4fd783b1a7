/**
 * Loaded into a node process before its own program (`--import`): stops or fails its changes of files where a test wants it to
 * (steps.ts). It imports nothing of the project, so that Node runs it as it stands.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import path from 'node:path';

const steps = process.env['TEST_STEPS'] ?? '';
const never = (): Promise<never> => new Promise(() => {});

type Call = (...args: readonly unknown[]) => Promise<unknown>;
const calls = promises as unknown as Record<string, Call>;

for (const name of ['link', 'mkdir', 'rename', 'rm', 'rmdir', 'unlink']) {
  const real = calls[name]?.bind(promises);
  if (!real) throw new Error(`node:fs/promises has no ${name}`);
  calls[name] = async (...args) => {
    const step = findStep(name, args.filter((arg) => typeof arg === 'string').join(' '));
    if (step?.act === 'fails') {
      throw Object.assign(new Error(`ENOSPC: the test wants it to fail, ${name}`), { code: 'ENOSPC' });
    }
    if (step?.act === 'before') return waitFor(step.file);
    const result = await real(...args);
    return step?.act === 'after' ? waitFor(step.file) : result;
  };
}

function findStep(name: string, subject: string): { readonly file: string; readonly act: string } | undefined {
  for (const entry of readdirSync(steps).filter((each) => each.startsWith(`${name}.`))) {
    const file = path.join(steps, entry);
    const [act = '', pattern = ''] = readFileSync(file, 'utf8').split('\n');
    const parts = pattern.split('*').map((part) => part.replaceAll(/[^A-Za-z0-9/_-]/g, String.raw`\$&`));
    if (new RegExp(`^${parts.join('.*')}$`, 's').test(subject)) return { file, act };
  }
  return undefined;
}

/** For ever: a process that waits within a call is there to be killed. */
function waitFor(file: string): Promise<never> {
  const reached = path.join(steps, `reached.${path.basename(file)}`);
  if (!existsSync(reached)) {
    writeFileSync(`${reached}.draft`, String(process.pid));
    renameSync(`${reached}.draft`, reached);
  }
  return never();
}
