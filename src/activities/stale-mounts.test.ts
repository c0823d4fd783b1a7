import { describe, expect, it } from '@jest/globals';
import { Fault } from '../domain/fault';
import type { Mount } from '../domain/mountinfo';
import { parseVolumeId } from '../domain/volume-id';
import { removeStaleMounts } from './stale-mounts';
import { createStaleMounts, type StaleMountEvent } from './stale-watch';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');
const PLACE = '/kubelet/globalmount';

function mountOf(minor: number): Mount {
  return {
    id: minor,
    parentId: 1,
    major: 259,
    minor,
    root: '/',
    mountPoint: PLACE,
    options: ['rw'],
    fileSystemType: 'ext4',
    source: `/dev/nvme0n${minor}`,
    superOptions: ['rw'],
  };
}

/** Mounts of devices of which the kernel has some. */
function mountsOf(minors: readonly number[], present: readonly number[]) {
  const all = minors.map(mountOf);
  return {
    all,
    list: () => Promise.resolve([...all]),
    hasDevice: ({ minor }: Mount) => Promise.resolve(present.includes(minor)),
    unmount: () => Promise.resolve(void all.pop()),
  };
}

function watch() {
  const events: StaleMountEvent['kind'][] = [];
  return { events, staleMounts: createStaleMounts(({ kind }) => events.push(kind)) };
}

describe('removeStaleMounts', () => {
  it.each<[string, { readonly minors: number[]; readonly present: number[]; readonly left: number[] }]>([
    ['nothing is mounted there', { minors: [], present: [], left: [] }],
    ['a dead one goes', { minors: [1], present: [2], left: [] }],
    ['dead ones go, one on the other', { minors: [1, 2], present: [], left: [] }],
    ['one with its device stays, whoever’s it is', { minors: [1], present: [1], left: [1] }],
    ['nothing below one with its device is touched', { minors: [1, 2], present: [2], left: [1, 2] }],
  ])('%s', async (_fact, { minors, present, left }) => {
    const mounts = mountsOf(minors, present);
    const { staleMounts, events } = watch();
    const parts = { mounts, staleMounts };
    await removeStaleMounts(parts, { volumeId, mountPoint: PLACE, device: undefined });
    expect(mounts.all.map(({ minor }) => minor)).toEqual(left);
    expect(events).toEqual(minors.slice(left.length).map(() => 'detected'));
  });

  it('takes nothing for dead where the kernel cannot be asked', async () => {
    const mounts = mountsOf([1], []);
    const hasDevice = () => Promise.reject(new Fault('NodeToolFailed', '/sys/dev/block: ENOENT'));
    const parts = { mounts: { ...mounts, hasDevice }, staleMounts: watch().staleMounts };
    const removal = removeStaleMounts(parts, { volumeId, mountPoint: PLACE, device: undefined });
    await expect(removal).rejects.toThrow('/sys/dev/block');
    expect(mounts.all).toHaveLength(1);
  });
});
