import { describe, expect, it } from '@jest/globals';
import { parseVolumeId } from '../domain/volume-id';
import { createStaleMounts, type StaleMountEvent } from './stale-watch';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');

function watch() {
  const events: StaleMountEvent['kind'][] = [];
  return { events, staleMounts: createStaleMounts(({ kind }) => events.push(kind)) };
}

describe('createStaleMounts', () => {
  it('tells of a volume once, of each failed try, and of its end', () => {
    const { staleMounts, events } = watch();
    staleMounts.ended(volumeId, 'recovered');
    staleMounts.found(volumeId);
    staleMounts.found(volumeId);
    staleMounts.ended(volumeId, 'recovery-failed');
    expect(staleMounts.has(volumeId)).toBe(true);
    staleMounts.ended(volumeId, 'recovered');
    staleMounts.ended(volumeId, 'recovered');
    expect(staleMounts.has(volumeId)).toBe(false);
    expect(events).toEqual(['detected', 'recovery-failed', 'recovered']);
  });

  it('knows nothing any more of a volume that has left the node', () => {
    const { staleMounts, events } = watch();
    staleMounts.found(volumeId);
    staleMounts.forget(volumeId);
    staleMounts.ended(volumeId, 'recovered');
    expect(events).toEqual(['detected']);
  });
});
