import { describe, expect, it } from '@jest/globals';
import { parseVolumeId } from '../domain/volume-id';
import { createStaleMounts, type StaleMountEvent } from './stale-watch';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');

function watch() {
  const events: StaleMountEvent['kind'][] = [];
  return { events, staleMounts: createStaleMounts(({ kind }) => events.push(kind)) };
}

const first = { major: 259, minor: 1, source: '/dev/nvme0n1' };
const second = { major: 259, minor: 4, source: '/dev/nvme0n2' };

describe('createStaleMounts', () => {
  it('tells of a device once, wherever it is mounted and however often it is looked at', () => {
    const { staleMounts, events } = watch();
    for (let look = 0; look < 3; look += 1) staleMounts.found(volumeId, first);
    expect(events).toEqual(['detected']);
    staleMounts.found(volumeId, second);
    expect(events).toEqual(['detected', 'detected']);
  });

  it('a mount that a pod still has makes no recovery of a later stage', () => {
    const { staleMounts, events } = watch();
    staleMounts.found(volumeId, first);
    staleMounts.begin(volumeId);
    staleMounts.ended(volumeId, 'recovered');
    staleMounts.found(volumeId, first);
    expect(staleMounts.isBegun(volumeId)).toBe(false);
    staleMounts.ended(volumeId, 'recovered');
    expect(events).toEqual(['detected', 'recovered']);
  });

  it('a recovery goes on after a try that failed', () => {
    const { staleMounts, events } = watch();
    staleMounts.begin(volumeId);
    staleMounts.ended(volumeId, 'recovery-failed');
    expect(staleMounts.isBegun(volumeId)).toBe(true);
    staleMounts.ended(volumeId, 'recovered');
    expect(events).toEqual(['recovery-failed', 'recovered']);
  });

  it('knows nothing any more of a volume that has left the node', () => {
    const { staleMounts, events } = watch();
    staleMounts.found(volumeId, first);
    staleMounts.begin(volumeId);
    staleMounts.forget(volumeId);
    staleMounts.ended(volumeId, 'recovered');
    staleMounts.found(volumeId, first);
    expect(events).toEqual(['detected', 'detected']);
  });
});
