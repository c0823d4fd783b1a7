import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { ensureHostKey } from './host-key';

it('makes a key that can be read, every time, and keeps it', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-host-key-'));
  // About one of ssh2's keys in 400 cannot be read: 1500 of them without one is a chance of 1 in 40.
  for (let round = 0; round < 1500; round += 1) {
    rmSync(path.join(folder, 'host-key'), { force: true });
    expect(ensureHostKey(folder).fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  }
  expect(ensureHostKey(folder)).toEqual(ensureHostKey(folder));
  rmSync(folder, { recursive: true });
});
