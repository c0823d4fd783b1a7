/** What a node knows of a volume's way to its data. */
export interface DataPath {
  /** The kernel's word for the state of its connection; undefined: there is none, or it has no device. */
  readonly state: string | undefined;
  /** Whether the kernel has a connection of its NQN at all. */
  readonly connected: boolean;
  /** Milliseconds of the epoch, as far as the node has seen. */
  readonly lostSinceMs: number | undefined;
  /** Whether what a pod has is of an earlier device, which the kernel has given up, though the volume may have another one now. */
  readonly outdated: boolean;
  /** Whether its file system was mounted for writing, and the kernel has made it read-only. */
  readonly turnedReadOnly: boolean;
  /** What its file system has noted of trouble with itself. `lastMs` is of the epoch. */
  readonly errors: { readonly count: number; readonly lastMs: number | undefined } | undefined;
}

const START_AGAIN = 'reads and writes fail, and a pod that has it must be started again';

const CHECK = 'check it (fsck) when no pod has it';

/** What is wrong with a volume on its node, for a person at night; undefined: nothing. */
export function findWhyAbnormal(dataPath: DataPath): string | undefined {
  const { state, connected, lostSinceMs, outdated, turnedReadOnly, errors } = dataPath;
  // It may have been so before: the node sees what it looks at.
  const since = lostSinceMs === undefined ? '' : `, seen since ${new Date(lostSinceMs).toISOString()}`;
  if (!connected)
    return `the device is gone: this node has no connection to the volume any more${since}; ${START_AGAIN}`;
  if (state === undefined) return `the device is gone: the connection to the RDS has lost it${since}; ${START_AGAIN}`;
  if (outdated) return `the device is gone: the volume is connected again, and has another one now; ${START_AGAIN}`;
  if (state !== 'live') {
    return `the connection to the RDS is lost (${state})${since}: reads and writes wait, and go on when it is back`;
  }
  if (turnedReadOnly) return `its file system has become read-only: the kernel has met errors on it; ${CHECK}`;
  if (!errors) return undefined;
  const last = errors.lastMs === undefined ? '' : ` (the last at ${new Date(errors.lastMs).toISOString()})`;
  return `its file system has met errors: ${errors.count}${last}; it may refuse writes, as if read-only; ${CHECK}`;
}
