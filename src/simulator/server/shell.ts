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
  private turn = Promise.resolve();
  private closed = false;
  private readonly editor: LineEditor;

  constructor(
    private readonly channel: ServerChannel,
    private readonly options: ShellOptions,
  ) {
    this.editor = new LineEditor(
      {
        write: (bytes) => this.write(bytes),
        // one after another: a pasted second line waits for the first
        line: (text) => {
          this.turn = this.turn.then(() => this.enter(toText(text))).catch(() => this.leave());
        },
        interrupt: () => {
          this.pending = '';
          this.write('\r\n');
          this.prompt();
        },
        end: () => this.leaveInTurn(),
      },
      options.terminal,
    );
  }

  serve(): void {
    this.channel.on('error', () => undefined);
    this.channel.on('data', (data: Buffer) => this.editor.feed(data.toString('latin1')));
    this.channel.once('close', () => {
      this.closed = true;
    });
    // input that ends without a last line end still holds a command
    this.channel.once('end', () => {
      if (!this.options.terminal) this.editor.feed('\n');
      this.leaveInTurn();
    });
    if (this.options.terminal) this.write(toByteString(this.options.banner));
    this.prompt();
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

  private leaveInTurn(): void {
    this.turn = this.turn.then(() => this.leave());
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
