/** A command of a menu, as it was run. */
export interface LoggedCommand {
  readonly menu: string;
  readonly command: string;
  readonly arguments: readonly { readonly name: string; readonly value: string }[];
  /** Values without a name: what the command is about. */
  readonly positional: readonly string[];
  readonly flags: readonly string[];
  /** Properties that it read by name, in `where`, `proplist=` or `get`. */
  readonly properties: readonly string[];
  readonly line: number;
  /** The command in one line: what a fault's `command` is held against. */
  readonly text: string;
  /** Why it was refused. */
  error?: string;
}

/** One exec, or one line at a prompt. */
export interface LoggedScript {
  readonly sequence: number;
  readonly time: string;
  readonly user: string;
  readonly kind: 'exec' | 'shell';
  readonly script: string;
  readonly commands: LoggedCommand[];
  /** What it was refused or ended with. */
  error?: string;
  /** The fault that it met. */
  fault?: string;
  /** Undefined while it runs. */
  endedAt?: string;
  /** What was sent back. */
  output?: string;
}

const LIMIT = 20_000;

/** Everything that the simulator was asked to do. */
export class CommandLog {
  private readonly scripts: LoggedScript[] = [];
  private sequence = 0;

  begin(user: string, kind: LoggedScript['kind'], script: string): LoggedScript {
    this.sequence += 1;
    const entry: LoggedScript = {
      sequence: this.sequence,
      time: new Date().toISOString(),
      user,
      kind,
      script,
      commands: [],
    };
    this.scripts.push(entry);
    if (this.scripts.length > LIMIT) this.scripts.shift();
    return entry;
  }

  /** Those after the one with this number. */
  since(sequence: number): readonly LoggedScript[] {
    return this.scripts.filter((entry) => entry.sequence > sequence);
  }
}
