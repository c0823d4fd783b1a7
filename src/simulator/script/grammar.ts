import type { Block } from './ast';
import type { Cursor } from './cursor';

/** What the parts of the parser share. */
export interface Grammar {
  readonly cursor: Cursor;
  /** The menu whose items a `where` is about; undefined outside of one. */
  readonly whereMenu: string | undefined;
  /** Properties that the current command reads by name. */
  readonly reads: Set<string>;
  /** Commands up to `end`, which is taken; `isolated`: a function's body, which sees no variable around it. */
  block(end: '}' | ']', isolated: boolean): Block;
  /** Runs `parse` with line ends as spaces (inside parentheses and arrays), outside or inside of a `where`. */
  within<T>(state: { readonly lines: boolean; readonly whereMenu: string | undefined }, parse: () => T): T;
  /** Past spaces, and past line ends where they mean nothing. */
  space(): void;
}
