import type { Block, Expression, GlobalStatement } from './ast';
import type { ScriptError } from './errors';
import { NOTHING, type Value } from './value';

/** Where a variable keeps its value; a global is the same box in every script of its user. */
export interface Box {
  value: Value;
}

/** Variables of a block; those around it are seen through it. */
export class Scope {
  private readonly boxes = new Map<string, Box>();

  constructor(
    private readonly outer: Scope | undefined,
    /** The item that a `where` looks at. */
    readonly row: ReadonlyMap<string, Value> | undefined = outer?.row,
  ) {}

  find(name: string): Box | undefined {
    return this.boxes.get(name) ?? this.outer?.find(name);
  }

  declare(name: string, value: Value = NOTHING): void {
    this.boxes.set(name, { value });
  }

  bind(name: string, box: Box): void {
    this.boxes.set(name, box);
  }
}

/** A command of a menu with its arguments worked out. */
export interface MenuCall {
  readonly menu: string;
  readonly command: string;
  readonly named: ReadonlyMap<string, Value>;
  readonly taken: readonly string[];
  readonly positional: readonly Value[];
  readonly flags: ReadonlySet<string>;
  readonly reads: readonly string[];
  /** Whether an item is asked for; every one is without a `where`. */
  readonly matches: ((row: ReadonlyMap<string, Value>) => Promise<boolean>) | undefined;
  readonly line: number;
}

export interface Outcome {
  readonly value: Value;
  /** What a person sees; nothing of it is shown if the command stands in brackets and gives a value. */
  readonly output: string;
  /** Shown even in brackets. */
  readonly always: boolean;
}

/** What scripts act on. */
export interface Machine {
  /** Throws Refusal, Halt. */
  run(call: MenuCall): Promise<Outcome>;
  /** Waits; throws Halt if the power goes off meanwhile. */
  wait(ms: number): Promise<void>;
  /** Throws Halt if the power went off. */
  checkPower(): void;
  write(text: string): void;
  log(topics: string, message: string): void;
  readonly globals: Map<string, Box>;
}

/** What the commands of the language need of the interpreter. */
export interface Runtime {
  readonly machine: Machine;
  evaluate(expression: Expression, scope: Scope): Promise<Value>;
  /** Runs the block in a scope of its own inside `scope`, and gives the value of its last command. */
  run(block: Block, scope: Scope): Promise<Value>;
  assign(target: Expression, value: Value, scope: Scope): Promise<void>;
  fail(reason: string, statement: GlobalStatement): ScriptError;
}

/** Carries the value of `:return` to whoever called. */
export class Return extends Error {
  constructor(readonly value: Value) {
    super('return');
  }
}

/** A command of the language. */
export type Command = (runtime: Runtime, statement: GlobalStatement, scope: Scope) => Promise<Value>;
