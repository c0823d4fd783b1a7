import { describe, expect, it } from '@jest/globals';
import type { Mount } from './mountinfo';
import { parseNqnPrefix } from './nqn';
import { findOwnSessions, findWhyKept } from './session-sweep';

const prefix = parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix');
const volumeId = 'pvc-00000000-0000-4000-8000-000000000001';

describe('findOwnSessions', () => {
  const find = (name: string, isOurs: boolean) => findOwnSessions(new Map([[name, { isOurs }]]), prefix);

  it('takes a volume’s, made in this node’s name', () =>
    expect(find(`${prefix}${volumeId}`, true)).toEqual([{ volumeId, nqn: `${prefix}${volumeId}` }]));

  it.each<[string, string, boolean]>([
    ['made under another host NQN', `${prefix}${volumeId}`, false],
    ['of another prefix', `nqn.2001-03.org.example:${volumeId}`, true],
    ['of a longer prefix', `${prefix}other:${volumeId}`, true],
    ['of no volume', `${prefix}host-disk`, true],
    ['of a longer name', `${prefix}${volumeId}-clone`, true],
    ['of an ID in capitals', `${prefix}${volumeId.toUpperCase()}`, true],
    ['of no name', prefix, true],
  ])('leaves one alone that is %s', (_what, name, isOurs) => expect(find(name, isOurs)).toEqual([]));
});

describe('findWhyKept', () => {
  const device = { path: '/dev/nvme1n1', major: 259, minor: 3 };
  const unused = { users: [], unknown: [] };
  const mount: Mount = {
    id: 30,
    parentId: 1,
    mountPoint: '/data',
    root: '/',
    major: 8,
    minor: 1,
    fileSystemType: 'ext4',
    source: '/dev/sda1',
    options: ['rw'],
    superOptions: ['rw'],
  };

  it('lets one go that nobody has', () =>
    expect(
      findWhyKept({ device, mounts: [mount, { ...mount, source: '/dev/nvme1n12', minor: 9 }], use: unused }),
    ).toBeUndefined());

  it.each<[string, Partial<Mount>]>([
    ['by its numbers, whatever it is called', { major: 259, minor: 3, source: '/dev/root' }],
    [
      'of btrfs, which has numbers of its own',
      { major: 0, minor: 44, source: '/dev/nvme1n1', fileSystemType: 'btrfs' },
    ],
    ['of a partition', { major: 259, minor: 4, source: '/dev/nvme1n1p1' }],
    ['of its device node', { major: 0, minor: 5, root: '/nvme1n1', fileSystemType: 'devtmpfs', source: 'udev' }],
  ])('keeps one for a mount %s', (_what, differs) =>
    expect(findWhyKept({ device, mounts: [{ ...mount, ...differs }], use: unused })).toEqual({
      result: 'in_use',
      why: '/dev/nvme1n1 is in use: mounted at /data',
    }),
  );

  it('keeps one that somebody has, and says so rather than what is not known', () =>
    expect(findWhyKept({ device, mounts: [], use: { users: ['a[1] has it open', 'loop0'], unknown: ['x'] } })).toEqual({
      result: 'in_use',
      why: '/dev/nvme1n1 is in use: a[1] has it open; loop0',
    }));

  it('keeps one of which something is not known', () =>
    expect(findWhyKept({ device, mounts: [], use: { users: [], unknown: ['no procfs', 'no sysfs'] } })).toEqual({
      result: 'unproven',
      why: 'nobody can tell whether /dev/nvme1n1 is in use: no procfs; no sysfs',
    }));
});
