import { describe, expect, it } from '@jest/globals';
import {
  type CapabilityInput,
  isReaderMode,
  isSingleNode,
  parseAccessMode,
  parseCapabilities,
  parseCapability,
} from './capability';
import { Fault } from './fault';
import { type FileSystem, parseFileSystem } from './file-system';
import { parseMountFlag } from './mount-flags';

const mount = (fsType = '', mountFlags: readonly string[] = [], volumeMountGroup = '') =>
  ({ kind: 'mount', fsType, mountFlags, volumeMountGroup }) as const;
const block = { kind: 'block' } as const;

describe('parseCapability', () => {
  it.each([
    ['SINGLE_NODE_WRITER', 'single-node-writer'],
    ['SINGLE_NODE_SINGLE_WRITER', 'single-node-single-writer'],
    ['SINGLE_NODE_MULTI_WRITER', 'single-node-multi-writer'],
    ['SINGLE_NODE_READER_ONLY', 'single-node-reader-only'],
    ['MULTI_NODE_READER_ONLY', 'multi-node-reader-only'],
  ])('takes %s for mount and block', (csiMode, accessMode) => {
    expect(parseCapability({ accessType: mount(), accessMode: csiMode }, 'c')).toEqual({
      kind: 'mount',
      fileSystem: 'ext4',
      mountFlags: [],
      accessMode,
    });
    expect(parseCapability({ accessType: block, accessMode: csiMode }, 'c')).toEqual({ kind: 'block', accessMode });
  });

  it('takes MULTI_NODE_MULTI_WRITER for block', () => {
    expect(parseCapability({ accessType: block, accessMode: 'MULTI_NODE_MULTI_WRITER' }, 'c')).toEqual({
      kind: 'block',
      accessMode: 'multi-node-multi-writer',
    });
  });

  it.each<[string, CapabilityInput, string]>([
    [
      'MULTI_NODE_MULTI_WRITER for mount',
      { accessType: mount(), accessMode: 'MULTI_NODE_MULTI_WRITER' },
      'c.access_mode: MULTI_NODE_MULTI_WRITER is served for block volumes only',
    ],
    [
      'MULTI_NODE_SINGLE_WRITER',
      { accessType: block, accessMode: 'MULTI_NODE_SINGLE_WRITER' },
      'c.access_mode: "MULTI_NODE_SINGLE_WRITER" is not supported; supported: SINGLE_NODE_WRITER, ' +
        'SINGLE_NODE_SINGLE_WRITER, SINGLE_NODE_MULTI_WRITER, SINGLE_NODE_READER_ONLY, MULTI_NODE_READER_ONLY, MULTI_NODE_MULTI_WRITER',
    ],
    ['no mode', { accessType: block, accessMode: undefined }, 'c.access_mode: missing'],
    ['an unset mode', { accessType: block, accessMode: 'UNKNOWN' }, 'c.access_mode: missing'],
    [
      'no type',
      { accessType: undefined, accessMode: 'SINGLE_NODE_WRITER' },
      'c.access_type: missing, neither block nor mount',
    ],
    [
      'an unknown file system',
      { accessType: mount('ntfs'), accessMode: 'SINGLE_NODE_WRITER' },
      'c.mount.fs_type: "ntfs" is none of ext4, xfs, ext3, btrfs',
    ],
    [
      'a file system with an option behind it',
      { accessType: mount('ext4 -F'), accessMode: 'SINGLE_NODE_WRITER' },
      'c.mount.fs_type: "ext4 -F" is none of ext4, xfs, ext3, btrfs',
    ],
    [
      'a mount group',
      { accessType: mount('', [], '1000'), accessMode: 'SINGLE_NODE_WRITER' },
      'c.mount.volume_mount_group: not supported',
    ],
    [
      'suid',
      { accessType: mount('', ['noatime', 'suid']), accessMode: 'SINGLE_NODE_WRITER' },
      `c.mount.mount_flags[1]: "suid" is no mount option that a volume's owner may set on ext4`,
    ],
    [
      'two options in one flag',
      { accessType: mount('xfs', ['noatime,suid']), accessMode: 'SINGLE_NODE_WRITER' },
      'c.mount.mount_flags[0]: "noatime,suid" has a comma; each option is a flag of its own',
    ],
  ])('refuses %s', (_fact, input, message) => {
    expect(() => parseCapability(input, 'c')).toThrow(new Fault('InvalidArgument', message));
  });
});

describe('parseCapabilities', () => {
  it('takes several modes of one volume', () => {
    const inputs = ['SINGLE_NODE_WRITER', 'MULTI_NODE_MULTI_WRITER'].map((accessMode) => ({
      accessType: block,
      accessMode,
    }));
    expect(parseCapabilities(inputs, 'volume_capabilities')).toHaveLength(2);
  });

  it.each<[string, readonly CapabilityInput[], string]>([
    ['none', [], 'volume_capabilities: missing'],
    [
      'one that is wrong',
      [
        { accessType: block, accessMode: 'SINGLE_NODE_WRITER' },
        { accessType: block, accessMode: undefined },
      ],
      'volume_capabilities[1].access_mode: missing',
    ],
    [
      'mount and block at once',
      [
        { accessType: block, accessMode: 'SINGLE_NODE_WRITER' },
        { accessType: mount(), accessMode: 'SINGLE_NODE_WRITER' },
      ],
      'volume_capabilities[1]: asks for ext4, volume_capabilities[0] for block',
    ],
    [
      'two file systems',
      [
        { accessType: mount('xfs'), accessMode: 'SINGLE_NODE_WRITER' },
        { accessType: mount(), accessMode: 'SINGLE_NODE_WRITER' },
      ],
      'volume_capabilities[1]: asks for ext4, volume_capabilities[0] for xfs',
    ],
  ])('refuses %s', (_fact, inputs, message) => {
    expect(() => parseCapabilities(inputs, 'volume_capabilities')).toThrow(new Fault('InvalidArgument', message));
  });
});

describe('mount flags', () => {
  it.each<[FileSystem, string]>([
    ['xfs', 'nouuid'],
    ['xfs', 'discard'],
    ['xfs', 'allocsize=64m'],
    ['xfs', 'pquota'],
    ['ext3', 'data=journal'],
    ['btrfs', 'compress=zstd:3'],
    ['btrfs', 'compress-force=lzo'],
    ['btrfs', 'discard=async'],
    ['btrfs', 'space_cache=v2'],
  ])('%s takes %s', (fileSystem, flag) => expect(parseMountFlag(flag, { fileSystem, field: 'f' })).toBe(flag));

  it.each<[FileSystem, string]>([
    ['xfs', 'logdev=/dev/sda'],
    ['xfs', 'rtdev=/dev/sda'],
    ['xfs', 'data=ordered'],
    ['btrfs', 'device=/dev/sda'],
    ['btrfs', 'subvol=/'],
    ['btrfs', 'subvolid=5'],
    ['btrfs', 'fatal_errors=panic'],
    ['btrfs', 'degraded'],
    ['ext3', 'nouuid'],
  ])('%s refuses %s', (fileSystem, flag) =>
    expect(() => parseMountFlag(flag, { fileSystem, field: 'f' })).toThrow(`on ${fileSystem}`),
  );
});

it.each([
  ['single-node-writer', true, false],
  ['single-node-single-writer', true, false],
  ['single-node-multi-writer', true, false],
  ['single-node-reader-only', true, true],
  ['multi-node-reader-only', false, true],
  ['multi-node-multi-writer', false, false],
])('%s: one node %s, only readers %s', (text, singleNode, reader) => {
  const mode = parseAccessMode(text, 'accessMode');
  expect(isSingleNode(mode)).toBe(singleNode);
  expect(isReaderMode(mode)).toBe(reader);
});

it.each(['', 'SINGLE_NODE_WRITER', 'multi-node-single-writer', 'constructor'])('knows no access mode %j', (text) => {
  expect(() => parseAccessMode(text, 'accessMode')).toThrow(
    `accessMode: ${JSON.stringify(text)} is none of single-node-writer`,
  );
});

it.each(['ext4', 'xfs', 'ext3', 'btrfs'])('knows the file system %s', (text) =>
  expect(parseFileSystem(text, 'fsType')).toBe(text),
);
