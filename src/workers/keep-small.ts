import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Between two looks at how large the heap is. */
const LOOK_INTERVAL_MS = 5_000;
/** What the heap may have beyond what was in use after the last collection. */
const SLACK_BYTES = 12 * 2 ** 20;

interface Heap {
  /** From now on the part for new objects stays as small as it is at a process's start: 2 MiB instead of up to 64. */
  readonly limitYoung: () => void;
  /** What V8 has taken from the machine, in bytes. */
  readonly takenBytes: () => number;
  /** What of it is in use, garbage that was not collected yet included. */
  readonly usedBytes: () => number;
  /** A full collection, done when it returns: some 40 ms for a node. */
  readonly collect: () => void;
}

/**
 * Keeps a process near the size that it needs, until the signal. V8 lets garbage lie while the machine has memory: a node that does
 * little and lives for months would hold twice of what it uses, on every node of the cluster.
 */
export function keepSmall(signal: AbortSignal, heap: Heap = heapOfThisProcess()): void {
  heap.limitYoung();
  let neededBytes = heap.usedBytes();
  const look = (): void => {
    if (heap.takenBytes() < neededBytes + SLACK_BYTES) return;
    heap.collect();
    // What is left is what it needs now, be it more than at the start.
    neededBytes = heap.usedBytes();
  };
  const timer = setInterval(look, LOOK_INTERVAL_MS);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

function heapOfThisProcess(): Heap {
  // The flag of Node's own tests: it only makes V8's collection callable.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return {
    limitYoung: () => setFlagsFromString('--semi-space-growth-factor=1'),
    takenBytes: () => process.memoryUsage().heapTotal,
    usedBytes: () => process.memoryUsage().heapUsed,
    collect: () => {
      if (typeof collect === 'function') collect();
    },
  };
}
