/** What a node knows of a volume's way to its data. */
export interface DataPath {
  /** The kernel's word for the state of its connection; undefined: there is none, or it has no device. */
  readonly state: string | undefined;
  /** Whether the kernel has a connection of its NQN at all. */
  readonly connected: boolean;
  /** Why a connection that has a session has no device that can be used. */
  readonly trouble: string | undefined;
  /** Milliseconds of the epoch, as far as the node has seen. */
  readonly lostSinceMs: number | undefined;
  /** Whether what a pod has is of an earlier device, which the kernel has given up, though the volume may have another one now. */
  readonly outdated: boolean;
  /** Whether its file system was mounted for writing, and the kernel has made it read-only. */
  readonly turnedReadOnly: boolean;
  /** What its file system has noted of trouble with itself. `lastMs` is of the epoch. */
  readonly errors:
    | { readonly count: number; readonly lastMs: number | undefined; readonly fileSystem: string }
    | undefined;
}

const START_AGAIN = 'reads and writes fail, and a pod that has it must be started again';

const CHECK = 'check it (fsck) when no pod has it';

/** A check of btrfs leaves its count as it is (btrfs-device(8)). */
const CHECK_BTRFS = 'check it (btrfs scrub), and end the count when it is in order (btrfs device stats -z)';

/** What is wrong with a volume on its node, for a person at night; undefined: nothing. */
export function findWhyAbnormal(dataPath: DataPath): string | undefined {
  const { state, connected, trouble, lostSinceMs, outdated, turnedReadOnly, errors } = dataPath;
  // It may have been so before: the node sees what it looks at.
  const since = lostSinceMs === undefined ? '' : `, seen since ${new Date(lostSinceMs).toISOString()}`;
  if (!connected)
    return `the device is gone: this node has no connection to the volume any more${since}; ${START_AGAIN}`;
  // What a pod has open may go on for all that: a second namespace or a node that is missing in /dev are no end of the first one.
  if (state === undefined) {
    if (trouble === undefined)
      return `the device is gone: the connection to the RDS has lost it${since}; ${START_AGAIN}`;
    return `the device cannot be used from here: ${trouble}${since}; if reads and writes fail, a pod that has it must be started again`;
  }
  if (outdated) return `the device is gone: the volume is connected again, and has another one now; ${START_AGAIN}`;
  if (state !== 'live') {
    return `the connection to the RDS is lost (${state})${since}: reads and writes wait, and go on when it is back`;
  }
  if (turnedReadOnly) return `its file system has become read-only: the kernel has met errors on it; ${CHECK}`;
  if (!errors) return undefined;
  const last = errors.lastMs === undefined ? '' : ` (the last at ${new Date(errors.lastMs).toISOString()})`;
  return `its file system has met errors: ${errors.count}${last}; it may refuse writes, as if read-only; ${errors.fileSystem === 'btrfs' ? CHECK_BTRFS : CHECK}`;
}

/** Of a file system that says nothing but this of itself, as xfs does once it has shut itself down. */
export function failsWith(words: string): string {
  return `its file system fails, as one that the kernel has shut down after errors: ${words}; ${CHECK}`;
}
