import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { utils } from 'ssh2';
import { writeWhole } from '../state/state-file';

export interface HostKey {
  readonly privateKey: string;
  /** The line for a known_hosts file, without the host. */
  readonly publicLine: string;
  /** `SHA256:…`, as OpenSSH writes it. */
  readonly fingerprint: string;
}

/** The key of this state folder, made on its first use. */
export function ensureHostKey(folder: string): HostKey {
  const file = path.join(folder, 'host-key');
  if (!existsSync(file)) writeWhole(file, newKey());
  const privateKey = readFileSync(file, 'utf8');
  const parsed = utils.parseKey(privateKey);
  if (parsed instanceof Error) throw new Error(`${file}: ${parsed.message}`);
  const key = parsed.getPublicSSH();
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
  return { privateKey, publicLine: `${parsed.type} ${key.toString('base64')}`, fingerprint };
}

/** ssh2 1.17 writes about one ed25519 key in 150 so that nobody, itself included, can read it: such a one is thrown away. */
function newKey(): string {
  for (;;) {
    const pair = utils.generateKeyPairSync('ed25519');
    const halves = [utils.parseKey(pair.private), utils.parseKey(pair.public)];
    if (!halves.some((half) => half instanceof Error)) return pair.private;
  }
}
