import { Fault } from '../domain/fault';
import type { VolumeId } from '../domain/volume-id';

/** The kubelet repeats a call 2 min and 2 s after the one before at the latest. */
const PATIENCE_MS = 5 * 60_000;

/** A stage, as the kubelet names it. */
export interface StagePlace {
  readonly volumeId: VolumeId;
  readonly stagingTargetPath: string;
}

/**
 * Whether somebody still wants a stage. A stage goes on by itself; but a node that was away for long may find its pod gone, and the
 * volume on another node, mounted. The kubelet asks again and again for what it wants: what nobody asks for is not done.
 */
export interface StageDemand {
  /** Somebody asks for the stage, until the function that is returned is called. */
  ask(place: StagePlace): () => void;
  /** Throws StageUnasked while nobody has asked for it since this process began, and StageUnwanted when nobody does any more. */
  require(place: StagePlace): void;
}

export function createStageDemand(now: () => number = () => performance.now()): StageDemand {
  const begunMs = now();
  const waiting = new Map<string, number>();
  const lastMs = new Map<string, number>();
  const keyOf = ({ volumeId, stagingTargetPath }: StagePlace): string => `${volumeId} ${stagingTargetPath}`;
  const forgetOld = (): void => {
    for (const [key, ms] of lastMs) if (now() - ms > PATIENCE_MS) lastMs.delete(key);
  };
  return {
    ask(place) {
      const key = keyOf(place);
      waiting.set(key, (waiting.get(key) ?? 0) + 1);
      return () => {
        const left = (waiting.get(key) ?? 1) - 1;
        if (left > 0) waiting.set(key, left);
        else waiting.delete(key);
        forgetOld();
        lastMs.set(key, now());
      };
    },
    require(place) {
      const key = keyOf(place);
      if (waiting.has(key) || now() - (lastMs.get(key) ?? -Infinity) <= PATIENCE_MS) return;
      const { volumeId } = place;
      if (now() - begunMs <= PATIENCE_MS) {
        throw new Fault('StageUnasked', `${volumeId}: this node has begun anew, and waits to be asked for it again`);
      }
      throw new Fault('StageUnwanted', `${volumeId}: not staged, nobody has asked for it for ${PATIENCE_MS / 1_000} s`);
    },
  };
}
