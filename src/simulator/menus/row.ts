import type { Value } from '../script/value';

/** An item as a menu shows it. */
export interface Row {
  readonly id: string;
  /** By which other commands may call it. */
  readonly name: string;
  /** Everything that scripts may read, with `.id`, in the order in which it is shown. */
  readonly values: ReadonlyMap<string, Value>;
  /** Letters of the flags that are set. */
  readonly flags: string;
  /** What `print` alone shows. */
  readonly columns: readonly string[];
  /** What a person is not shown: flags, the comment (it has a line of its own). */
  readonly hidden: ReadonlySet<string>;
}

/** What a menu does. `change` is asked only for rows that exist. All throw Refusal. */
export interface Menu {
  readonly path: string;
  rows(): readonly Row[];
  add?(values: ReadonlyMap<string, Value>): string;
  set?(row: Row, change: Change): void;
  remove?(row: Row): void;
}

export interface Change {
  readonly values: ReadonlyMap<string, Value>;
  /** Properties to be as if they had never been set. */
  readonly taken: readonly string[];
}
