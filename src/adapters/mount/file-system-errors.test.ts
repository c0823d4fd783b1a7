import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseMountinfo } from '../../domain/mountinfo';
import { findErrors } from './file-system-errors';

let sysRoot: string;
beforeEach(() => {
  sysRoot = mkdtempSync(path.join(tmpdir(), 'rds-csi-sys-'));
});
afterEach(() => rmSync(sysRoot, { recursive: true }));

function put(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(sysRoot, name)), { recursive: true });
    writeFileSync(path.join(sysRoot, name), text);
  }
}

function mountOf(type: string) {
  const [mount] = parseMountinfo(`2 1 259:1 / /a rw - ${type} /dev/nvme0n1 rw\n`);
  if (!mount) throw new Error('no mount');
  return mount;
}

const BTRFS_STATS = ['write_errs 2', 'read_errs 1', 'flush_errs 0', 'corruption_errs 0', 'generation_errs 0', ''].join(
  '\n',
);
const EXT = 'fs/ext4/nvme0n1';
const BTRFS = 'fs/btrfs/00000000-0000-4000-8000-000000000001';

describe('findErrors', () => {
  it.each<[string, string, Readonly<Record<string, string>>, unknown]>([
    [
      'ext4',
      'ext4',
      { [`${EXT}/errors_count`]: '3\n', [`${EXT}/last_error_time`]: '1795271560\n' },
      { count: 3, lastMs: 1_795_271_560_000 },
    ],
    ['ext3, which has no time', 'ext3', { [`${EXT}/errors_count`]: '1\n' }, { count: 1, lastMs: undefined }],
    ['ext4 without errors', 'ext4', { [`${EXT}/errors_count`]: '0\n', [`${EXT}/last_error_time`]: '0\n' }, undefined],
    ['ext4 on another device', 'ext4', { 'fs/ext4/nvme1n1/errors_count': '3\n' }, undefined],
    [
      'btrfs',
      'btrfs',
      { [`${BTRFS}/devices/nvme0n1`]: '', [`${BTRFS}/devinfo/1/error_stats`]: BTRFS_STATS },
      { count: 3, lastMs: undefined },
    ],
    [
      'btrfs on another device',
      'btrfs',
      { [`${BTRFS}/devices/nvme1n1`]: '', [`${BTRFS}/devinfo/1/error_stats`]: BTRFS_STATS },
      undefined,
    ],
    ['what counts none', 'xfs', { [`${EXT}/errors_count`]: '3\n' }, undefined],
    ['a kernel that does not tell', 'ext4', {}, undefined],
  ])('%s', async (_fact, type, files, expected) => {
    put(files);
    expect(await findErrors(sysRoot, mountOf(type))).toEqual(expected);
  });
});
