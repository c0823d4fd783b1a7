import { ParseError, type Place } from './errors';

/** Reads a script character by character and knows where it is. */
export class Cursor {
  offset = 0;

  constructor(readonly text: string) {}

  get done(): boolean {
    return this.offset >= this.text.length;
  }

  peek(ahead = 0): string {
    return this.text[this.offset + ahead] ?? '';
  }

  startsWith(text: string): boolean {
    return this.text.startsWith(text, this.offset);
  }

  /** Moves past `text` if it is next. */
  take(text: string): boolean {
    if (!this.startsWith(text)) return false;
    this.offset += text.length;
    return true;
  }

  /** Moves past what the sticky expression matches here. */
  match(expression: RegExp): string | undefined {
    const found = this.lookAt(expression);
    if (found !== undefined) this.offset += found.length;
    return found;
  }

  /** What the sticky expression matches here. */
  lookAt(expression: RegExp): string | undefined {
    expression.lastIndex = this.offset;
    return expression.exec(this.text)?.[0];
  }

  place(offset = this.offset): Place {
    const before = this.text.slice(0, offset);
    const lineStart = before.lastIndexOf('\n') + 1;
    return { line: before.split('\n').length, column: offset - lineStart + 1 };
  }

  /** Past spaces and joined lines; past line ends too if `lines`. */
  skipSpace(lines = false): void {
    this.match(lines ? /(?:[ \t\r\n]|\\\r?\n)+/y : /(?:[ \t]|\r(?=\n)|\\\r?\n)+/y);
  }

  /** Past everything between commands: spaces, line ends, `;` and comments. */
  skipBetweenCommands(): void {
    this.match(/(?:[ \t\r\n;]|\\\r?\n|#[^\n]*)+/y);
  }

  /** Whether a command ends here. */
  get atCommandEnd(): boolean {
    return this.done || ';\n}])'.includes(this.peek());
  }

  syntaxError(offset = this.offset): ParseError {
    return ParseError.at('syntax error', this.place(offset), offset >= this.text.length);
  }

  expect(text: string): void {
    if (!this.take(text)) throw this.syntaxError();
  }
}
