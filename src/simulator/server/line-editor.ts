/** What the editor asks of the terminal's owner. */
export interface Terminal {
  write(text: string): void;
  /** A whole line. */
  line(text: string): void;
  /** Ctrl-C on whatever was typed. */
  interrupt(): void;
  /** Ctrl-D on an empty line. */
  end(): void;
}

const BELL = '\x07';

/** A line at a prompt: characters, backspace, Ctrl-U, Ctrl-C, Ctrl-D, and the lines before by the arrow keys. */
export class LineEditor {
  private text = '';
  private escape = '';
  private readonly history: string[] = [];
  private historyAt = 0;
  private afterReturn = false;

  constructor(
    private readonly terminal: Terminal,
    /** Without a terminal nothing is echoed. */
    readonly echo: boolean,
  ) {}

  /** Bytes as they come, one in each character. */
  feed(bytes: string): void {
    for (const char of bytes) this.key(char);
  }

  private key(char: string): void {
    if (this.escape !== '' || char === '\x1b') return this.escaped(char);
    const wasReturn = this.afterReturn;
    this.afterReturn = char === '\r';
    switch (char) {
      case '\n':
        if (wasReturn) return;
        return this.enter();
      case '\r':
        return this.enter();
      case '\x7f':
      case '\b':
        return this.backspace();
      case '\x03':
        this.text = '';
        return this.terminal.interrupt();
      case '\x04':
        return this.text === '' ? this.terminal.end() : undefined;
      case '\x15':
        return this.replace('');
      default:
        if (char >= ' ' || char === '\t') this.type(char === '\t' ? ' ' : char);
    }
  }

  private type(char: string): void {
    this.text += char;
    this.show(char);
  }

  private show(text: string): void {
    if (this.echo) this.terminal.write(text);
  }

  private enter(): void {
    const { text } = this;
    this.text = '';
    this.show('\r\n');
    if (text.trim() !== '' && this.history.at(-1) !== text) this.history.push(text);
    this.historyAt = this.history.length;
    this.terminal.line(text);
  }

  private backspace(): void {
    if (this.text === '') return this.show(BELL);
    this.text = this.text.slice(0, -1);
    this.show('\b \b');
  }

  private replace(text: string): void {
    this.show('\b \b'.repeat(this.text.length) + text);
    this.text = text;
  }

  /** Arrow up and down; other sequences mean nothing here. */
  private escaped(char: string): void {
    this.escape += char;
    if (this.escape.length < 3 && /^.[[O]?$/s.test(this.escape)) return;
    if (this.escape.length >= 3 && !/[A-Za-z~]$/.test(this.escape)) return;
    const { escape } = this;
    this.escape = '';
    const step = escape.endsWith('A') ? -1 : escape.endsWith('B') ? 1 : 0;
    if (step === 0) return;
    this.historyAt = Math.min(Math.max(this.historyAt + step, 0), this.history.length);
    this.replace(this.history[this.historyAt] ?? '');
  }
}
