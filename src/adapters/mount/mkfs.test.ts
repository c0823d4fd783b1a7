import { describe, expect, it } from '@jest/globals';
import type { FileSystem } from '../../domain/file-system';
import { mkfsCommand } from './mkfs';

const device = { devicePath: '/dev/x' };

describe('mkfsCommand', () => {
  it.each<readonly [FileSystem, readonly string[], boolean, string]>([
    ['ext4', [], false, 'mkfs.ext4 -q -F -m 0 -E nodiscard -- /dev/x'],
    ['ext3', [], true, 'mkfs.ext3 -q -F -m 0 -E nodiscard -- /dev/x'],
    ['ext4', ['-m', '5'], false, 'mkfs.ext4 -q -F -m 0 -E nodiscard -m 5 -- /dev/x'],
    ['ext4', ['-E', 'stride=16'], false, 'mkfs.ext4 -q -F -m 0 -E nodiscard,stride=16 -- /dev/x'],
    ['ext4', ['-E', 'discard', '-K'], false, 'mkfs.ext4 -q -F -m 0 -E discard -K -- /dev/x'],
    ['xfs', [], false, 'mkfs.xfs -q -K -- /dev/x'],
    ['xfs', ['-m', 'crc=1'], true, 'mkfs.xfs -q -K -f -m crc=1 -- /dev/x'],
    ['btrfs', [], false, 'mkfs.btrfs -q -K -- /dev/x'],
  ])('%s %j, over remains %j', (fileSystem, options, isRemains, command) => {
    const { file, args } = mkfsCommand({ ...device, fileSystem, options, isRemains });
    expect([file, ...args].join(' ')).toBe(command);
  });
});
