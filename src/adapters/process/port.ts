/** A program to run: without a shell, its arguments as they are. */
export interface Command {
  /** Its name, looked up on PATH: `mkfs.ext4`. */
  readonly file: string;
  readonly args: readonly string[];
  /** Longest that it may run, in milliseconds; then it is killed, with all that it started. */
  readonly limitMs: number;
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
   * in time; one that hangs in the kernel is left behind), NodeToolFailed (a signal ended it, or it printed without end).
   */
  run(command: Command): Promise<CommandResult>;
}
