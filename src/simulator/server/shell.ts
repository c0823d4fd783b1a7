import type { ServerChannel } from 'ssh2';
import type { Console } from '../console';
import { toByteString, toText } from '../script/bytes';
import { LineEditor } from './line-editor';

export interface ShellOptions {
  readonly console: Console;
  readonly banner: string;
  /** Whether there is a terminal: it is given echo and prompts. */
  readonly terminal: boolean;
  /** Resets the connection. */
  readonly reset: () => void;
}

/** A person's session: a prompt, a command, what it prints, and the prompt again. */
class Shell {
  /** Lines of a command of which the end is missing. */
  private pending = '';
  /** Keys that were typed ahead: the console looks at them when the command before has ended. */
  private typedAhead = '';
  private busy = false;
  private inputEnded = false;
  private closed = false;
  private readonly editor: LineEditor;

  constructor(
    private readonly channel: ServerChannel,
    private readonly options: ShellOptions,
  ) {
    this.editor = new LineEditor(
      {
        write: (bytes) => this.write(bytes),
        line: (text) => void this.run(toText(text)),
        interrupt: () => {
          this.pending = '';
          this.write('\r\n');
          this.prompt();
        },
        end: () => this.leave(),
      },
      options.terminal,
    );
  }

  serve(): void {
    this.channel.on('error', () => undefined);
    this.channel.on('data', (data: Buffer) => this.typed(data.toString('latin1')));
    this.channel.once('close', () => {
      this.closed = true;
    });
    this.channel.once('end', () => {
      this.inputEnded = true;
      // input that ends without a last line end still holds a command
      this.typed(this.options.terminal ? '' : '\n');
    });
    if (this.options.terminal) this.write(toByteString(this.options.banner));
    this.prompt();
  }

  private typed(keys: string): void {
    this.typedAhead += keys;
    while (!this.busy && !this.closed && this.typedAhead !== '') {
      const key = this.typedAhead.slice(0, 1);
      this.typedAhead = this.typedAhead.slice(1);
      this.editor.feed(key);
    }
    if (!this.busy && this.inputEnded) this.leave();
  }

  private async run(line: string): Promise<void> {
    this.busy = true;
    try {
      await this.enter(line);
      this.busy = false;
      this.typed('');
    } catch {
      this.leave();
    }
  }

  private write(bytes: string): void {
    if (!this.closed) this.channel.write(Buffer.from(bytes, 'latin1'));
  }

  private prompt(): void {
    if (this.options.terminal) this.write(this.pending === '' ? toByteString(this.options.console.prompt) : '{... ');
  }

  private leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.channel.exit(0);
    this.channel.end();
  }

  private async enter(line: string): Promise<void> {
    if (this.closed) return;
    const script = this.pending === '' ? line : `${this.pending}\n${line}`;
    this.pending = '';
    if (/^\s*\/?(quit|exit)\s*$/.test(script)) return this.leave();
    if (script.trim() === '') return this.prompt();
    if (this.options.console.isIncomplete(script)) {
      this.pending = script;
      return this.prompt();
    }
    const reply = await this.options.console.execute(script);
    if (reply.kind === 'reset') return this.options.reset();
    if (reply.kind === 'hang') return undefined;
    this.write(reply.text);
    return reply.quit ? this.leave() : this.prompt();
  }
}

/** Serves a person at a prompt. */
export function serveShell(channel: ServerChannel, options: ShellOptions): void {
  new Shell(channel, options).serve();
}
