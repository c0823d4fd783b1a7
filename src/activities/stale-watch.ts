import type { VolumeId } from '../domain/volume-id';

/** What becomes of volumes that are mounted without a device, for logs and metrics. */
export type StaleMountEvent =
  | { readonly kind: 'detected'; readonly volumeId: VolumeId }
  | { readonly kind: 'recovered' | 'recovery-failed'; readonly volumeId: VolumeId };

/** Remembers which volumes are mounted without a device, so that each is told of once, and its end too. */
export interface StaleMounts {
  /** A mount without a device was found. */
  found(volumeId: VolumeId): void;
  /** The volume is usable again, or the try to make it so has failed. Of one that was in order: nothing. */
  ended(volumeId: VolumeId, result: 'recovered' | 'recovery-failed'): void;
  /** Whether one was found, and the volume is not usable again. */
  has(volumeId: VolumeId): boolean;
  /** The volume leaves the node. */
  forget(volumeId: VolumeId): void;
}

export function createStaleMounts(observe: (event: StaleMountEvent) => void): StaleMounts {
  const known = new Set<VolumeId>();
  return {
    has: (volumeId) => known.has(volumeId),
    forget(volumeId) {
      known.delete(volumeId);
    },
    found(volumeId) {
      if (known.has(volumeId)) return;
      known.add(volumeId);
      observe({ kind: 'detected', volumeId });
    },
    ended(volumeId, result) {
      if (!known.has(volumeId)) return;
      // One that failed is tried again: it is the same mount, and detected no second time.
      if (result === 'recovered') known.delete(volumeId);
      observe({ kind: result, volumeId });
    },
  };
}
