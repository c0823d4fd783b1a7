import type { Place } from './errors';

export type UnaryOperator = '!' | '-' | '~';
export type BinaryOperator =
  | '->'
  | '*'
  | '/'
  | '%'
  | '+'
  | '-'
  | '.'
  | '<<'
  | '>>'
  | '&'
  | '^'
  | '|'
  | '='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | '~'
  | 'in'
  | '&&'
  | '||'
  | ',';

export type Expression =
  /** `word`: as it was written, if without quotes: a text argument takes `007` and `yes` as they stand. */
  | { readonly kind: 'literal'; readonly value: Value; readonly word?: string; readonly place: Place }
  | { readonly kind: 'string'; readonly parts: readonly (string | Expression)[]; readonly place: Place }
  | { readonly kind: 'variable'; readonly name: string; readonly place: Place }
  /** A property of the row that a `where` looks at. */
  | { readonly kind: 'property'; readonly name: string; readonly place: Place }
  | { readonly kind: 'commands'; readonly body: Block; readonly place: Place }
  | { readonly kind: 'array'; readonly entries: readonly ArrayEntry[]; readonly place: Place }
  | { readonly kind: 'code'; readonly body: Block; readonly place: Place }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression; readonly place: Place }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly place: Place;
    };

export interface ArrayEntry {
  readonly key: Expression | undefined;
  readonly value: Expression;
}

export interface Block {
  readonly statements: readonly Statement[];
}

/** `:put`, `:if` and the like. */
export interface GlobalStatement {
  readonly kind: 'global';
  readonly name: string;
  readonly values: ReadonlyMap<string, Expression>;
  readonly blocks: ReadonlyMap<string, Block>;
  /** Names of variables: what is declared, or what a loop counts with. */
  readonly names: readonly string[];
  /** What `:set` changes: a variable, or an element of one. */
  readonly target: Expression | undefined;
  readonly place: Place;
}

/** A command of a menu, e.g. `/disk/add …`. */
export interface MenuStatement {
  readonly kind: 'menu';
  readonly menu: string;
  readonly command: string;
  readonly named: readonly { readonly name: string; readonly value: Expression }[];
  /** `set … !comment`: properties to take back. */
  readonly taken: readonly string[];
  readonly positional: readonly Expression[];
  readonly flags: ReadonlySet<string>;
  readonly where: Expression | undefined;
  /** Properties that the text of the command reads: `where`, `proplist=`, `get`. */
  readonly reads: readonly string[];
  readonly place: Place;
}

export type Statement =
  | GlobalStatement
  | MenuStatement
  | { readonly kind: 'block'; readonly body: Block; readonly place: Place }
  | { readonly kind: 'expression'; readonly expression: Expression; readonly place: Place }
  /** A path alone: what follows is relative to it. */
  | { readonly kind: 'enter'; readonly menu: string; readonly place: Place }
  | {
      readonly kind: 'call';
      readonly callee: Expression;
      readonly positional: readonly Expression[];
      readonly named: readonly { readonly name: string; readonly value: Expression }[];
      readonly place: Place;
    };

/** An array keeps what has no key first, in its order, and what has one after it, in the order of the keys. */
export interface ArrayValue {
  readonly type: 'array';
  readonly items: readonly Value[];
  readonly keyed: ReadonlyMap<string, Value>;
}

/** A value of the script language. Numbers are 64-bit and signed; times are nanoseconds. */
export type Value =
  | { readonly type: 'nothing' }
  | { readonly type: 'nil' }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'num'; readonly value: bigint }
  | { readonly type: 'str'; readonly value: string }
  | { readonly type: 'id'; readonly value: string }
  | { readonly type: 'ip'; readonly value: string }
  | { readonly type: 'ip-prefix'; readonly value: string }
  | { readonly type: 'time'; readonly value: bigint }
  | ArrayValue
  | { readonly type: 'code'; readonly body: Block };
