import type { Place } from './errors';
import type { Value } from './value';

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
