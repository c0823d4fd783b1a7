/** A program to run: without a shell, its arguments as they are. They are told in faults and logs, so they never hold secrets. */
export interface Command {
  /** Its name, looked up on PATH: `mkfs.ext4`; or an absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  /** Longest that it may run, in milliseconds; then it is killed, with all that it started. */
  readonly limitMs: number;
  /**
   * What it works on: `mount /a/b`. A command that hangs in the kernel after its limit has its lane to itself: until it has ended,
   * no other command of the lane is started, and such a one throws NodeTimeout at once. So what is left behind is bounded, and
   * nothing is done to a thing that an earlier command may still change. Several: it works on each of them. Undefined: nothing that
   * can hang.
   */
  readonly lane?: string | readonly string[] | undefined;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the programs of the node. */
export interface ProcessPort {
  /**
   * The result, whatever the exit code: what it means is the caller's to say. Throws NodeToolMissing, NodeTimeout (it did not end
   * in time; one that hangs in the kernel is left behind), NodeToolCrashed (a signal ended it), NodeToolFailed (it printed without end).
   */
  run(command: Command): Promise<CommandResult>;
}

/** As ProcessPort, for callers to whom it matters whether something still hangs in a lane. */
export interface ProcessLanesPort extends ProcessPort {
  /** Throws NodeTimeout while a command of the lane hangs in the kernel. */
  requireFree(lane: string): void;
}
