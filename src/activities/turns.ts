import { Fault } from '../domain/fault';
import type { VolumeId } from '../domain/volume-id';

/**
 * Runs an act on a volume when every act on it that began earlier has ended, well or not. Throws ArrayUnsettled instead if that
 * took so long that the act may have too little time left.
 */
export type InTurn = <T>(volumeId: VolumeId, act: () => Promise<T>) => Promise<T>;

interface Busy {
  /** Whether an act on the volume is under way, or waits. */
  isBusy(volumeId: VolumeId): boolean;
}

/**
 * Tries of one volume in this process never overlap. Temporal may give a try up that still runs here (it heard no heartbeat while
 * it was away itself) and begin the next one. Whoever waits is not let go by a cancellation either: as long as an earlier try
 * may take effect, the volume's lock must be held.
 */
export function createTurns({ longestWaitMs }: { readonly longestWaitMs: number }): InTurn & Busy {
  const last = new Map<VolumeId, Promise<unknown>>();
  const inTurn: InTurn = (volumeId, act) => {
    const askedMs = performance.now();
    const result = (last.get(volumeId) ?? Promise.resolve()).then(() => {
      if (performance.now() - askedMs <= longestWaitMs) return act();
      throw new Fault('ArrayUnsettled', `${volumeId}: an earlier try was under way until now; the next one looks anew`);
    });
    const ended: Promise<unknown> = result
      .catch(() => undefined)
      .finally(() => {
        if (last.get(volumeId) === ended) last.delete(volumeId);
      });
    last.set(volumeId, ended);
    return result;
  };
  return Object.assign(inTurn, { isBusy: (volumeId: VolumeId) => last.has(volumeId) });
}
