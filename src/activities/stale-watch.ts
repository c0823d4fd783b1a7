import type { Mount } from '../domain/mountinfo';
import type { VolumeId } from '../domain/volume-id';

/** What becomes of volumes that are mounted without a device, for logs and metrics. */
export type StaleMountEvent =
  | { readonly kind: 'detected'; readonly volumeId: VolumeId }
  | { readonly kind: 'recovered' | 'recovery-failed'; readonly volumeId: VolumeId };

/** Remembers what was found, so that each accident is told of once, and what is being mended. */
export interface StaleMounts {
  /** A mount without a device was found; all mounts of one device are one accident. */
  found(volumeId: VolumeId, mount: Pick<Mount, 'major' | 'minor' | 'source'>): void;
  /** A stage has taken such a mount away from its place. */
  begin(volumeId: VolumeId): void;
  /** Whether one was taken away, by this stage or by one that failed, and the volume is not mounted anew. */
  isBegun(volumeId: VolumeId): boolean;
  /** The volume is mounted anew, or the try has failed. Where nothing was begun: nothing. */
  ended(volumeId: VolumeId, result: 'recovered' | 'recovery-failed'): void;
  /** The volume leaves the node. */
  forget(volumeId: VolumeId): void;
}

export function createStaleMounts(observe: (event: StaleMountEvent) => void): StaleMounts {
  const known = new Map<VolumeId, Set<string>>();
  const begun = new Set<VolumeId>();
  return {
    found(volumeId, { major, minor, source }) {
      const device = `${major}:${minor} ${source}`;
      const devices = known.get(volumeId) ?? new Set();
      if (devices.has(device)) return;
      known.set(volumeId, devices.add(device));
      observe({ kind: 'detected', volumeId });
    },
    begin: (volumeId) => void begun.add(volumeId),
    isBegun: (volumeId) => begun.has(volumeId),
    ended(volumeId, result) {
      if (!begun.has(volumeId)) return;
      // One that failed is tried again.
      if (result === 'recovered') begun.delete(volumeId);
      observe({ kind: result, volumeId });
    },
    forget(volumeId) {
      known.delete(volumeId);
      begun.delete(volumeId);
    },
  };
}
