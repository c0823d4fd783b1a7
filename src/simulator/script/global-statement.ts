import type { Block, Expression, GlobalStatement } from './ast';
import { ParseError, type Place } from './errors';
import { argumentValue, parenthesised } from './expressions';
import type { Grammar } from './grammar';
import type { CommandForm, ParameterKind } from './language';
import { variableName } from './strings';
import { NOTHING } from './value';

/** Variables as the reader of a script knows them. */
export interface DeclaredNames {
  declare(names: readonly string[]): void;
  isDeclared(name: string): boolean;
}

interface Request {
  readonly name: string;
  readonly form: CommandForm;
  readonly place: Place;
  readonly scope: DeclaredNames;
}

const DECLARING = new Set(['local', 'global']);
const LOOPS = new Set(['for', 'foreach', 'onerror']);

class Reader {
  readonly values = new Map<string, Expression>();
  readonly blocks = new Map<string, Block>();
  names: readonly string[] = [];
  target: Expression | undefined;
  private free: (readonly [string, ParameterKind])[];

  constructor(
    private readonly grammar: Grammar,
    private readonly request: Request,
  ) {
    this.free = [...request.form.positional];
  }

  read(): GlobalStatement {
    const { cursor } = this.grammar;
    for (;;) {
      cursor.skipSpace();
      if (this.atEnd()) break;
      this.parameter();
    }
    const { name, place, form } = this.request;
    const missing = form.required.filter((each) => !this.has(each));
    if (missing.length > 0) throw ParseError.at(`missing value(s) of argument(s) ${missing.join(' ')}`, place);
    if (DECLARING.has(name)) this.request.scope.declare(this.names);
    const { values, blocks, names, target } = this;
    return { kind: 'global', name, values, blocks, names, target, place };
  }

  /** An opening brace begins an argument, if one is left that takes it. */
  private atEnd(): boolean {
    const { cursor } = this.grammar;
    if (!cursor.atCommandEnd) return false;
    return !(cursor.peek() === '{' && this.free.length > 0);
  }

  private has(name: string): boolean {
    if (name === 'counter' || name === 'name')
      return this.names.length > 0 || this.target !== undefined || this.values.has(name);
    return this.values.has(name) || this.blocks.has(name);
  }

  private parameter(): void {
    const { cursor } = this.grammar;
    const start = cursor.offset;
    const word = cursor.match(/[A-Za-z][A-Za-z0-9-]*=/y)?.slice(0, -1);
    if (word !== undefined) {
      const kind = Object.hasOwn(this.request.form.named, word) ? this.request.form.named[word] : undefined;
      if (kind) {
        this.free = this.free.filter(([name]) => name !== word);
        cursor.skipSpace();
        return this.value(word, kind);
      }
      cursor.offset = start;
    }
    const next = this.free.shift();
    if (!next) throw ParseError.at('expected end of command', cursor.place());
    this.value(...next);
  }

  private value(name: string, kind: ParameterKind): void {
    const { cursor } = this.grammar;
    switch (kind) {
      case 'value':
        this.values.set(name, argumentValue(this.grammar));
        return;
      case 'block':
        this.blocks.set(name, this.block(name));
        return;
      case 'names':
        this.names = this.variables();
        return;
      case 'target':
        this.target = this.assigned();
        return;
    }
    throw cursor.syntaxError();
  }

  private block(parameter: string): Block {
    const { request, grammar } = this;
    grammar.cursor.expect('{');
    const isolated = (DECLARING.has(request.name) || request.name === 'set') && parameter === 'do';
    // the counter of a loop, and the error's variable, are known in the block; the scope is left with the block
    if (!LOOPS.has(request.name)) return grammar.block('}', isolated);
    return withNames(request.scope, this.names, () => grammar.block('}', false));
  }

  private variables(): readonly string[] {
    const { cursor } = this.grammar;
    const names = [variableName(this.grammar)];
    while (this.request.name === 'foreach' && cursor.take(',')) names.push(variableName(this.grammar));
    if (/^\d/.test(names[0] ?? '') || !/[\s;)\]}=]|^$/.test(cursor.peek())) throw cursor.syntaxError();
    return names;
  }

  private assigned(): Expression {
    const { cursor } = this.grammar;
    const place = cursor.place();
    if (cursor.peek() === '(') {
      const target = parenthesised(this.grammar);
      if (target.kind === 'literal' && target.value === NOTHING) throw cursor.syntaxError();
      return target;
    }
    const start = cursor.offset;
    cursor.take('$');
    const name = variableName(this.grammar);
    if (!this.request.scope.isDeclared(name)) throw cursor.syntaxError(start);
    return { kind: 'variable', name, place };
  }
}

/** Names that a block sees from its beginning count as declared around it: reading is all that they are checked for. */
function withNames<T>(scope: DeclaredNames, names: readonly string[], parse: () => T): T {
  scope.declare(names);
  return parse();
}

/** Reads the arguments of a command of the language. */
export function globalStatement(grammar: Grammar, request: Request): GlobalStatement {
  return new Reader(grammar, request).read();
}
