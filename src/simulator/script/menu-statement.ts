import { COMMAND_PARAMETERS, findProperty, MANUAL, type MenuManual, PRINT_WORDS } from '../manual';
import { checkArgument } from './arguments';
import type { Expression, MenuStatement } from './ast';
import { ParseError, type Place } from './errors';
import { argumentValue, expression } from './expressions';
import type { Grammar } from './grammar';
import { str, textOf } from './value';

interface Request {
  readonly menu: string;
  readonly command: string;
  readonly place: Place;
}

const CHANGES = new Set(['add', 'set']);
/** How many values a command takes without a name. */
const POSITIONAL: Readonly<Record<string, number>> = {
  set: 1,
  unset: 2,
  remove: 1,
  enable: 1,
  disable: 1,
  get: 2,
  format: 1,
  debug: 1,
  info: 1,
  warning: 1,
  error: 1,
};

class Reader {
  private readonly named: { name: string; value: Expression }[] = [];
  private readonly taken: string[] = [];
  private readonly positional: Expression[] = [];
  private readonly flags = new Set<string>();
  private where: Expression | undefined;
  private readonly reads = new Set<string>();
  private readonly manual: MenuManual;

  constructor(
    private readonly grammar: Grammar,
    private readonly request: Request,
  ) {
    const manual = MANUAL[request.menu];
    if (!manual) throw grammar.cursor.syntaxError();
    this.manual = manual;
  }

  read(): MenuStatement {
    const { cursor } = this.grammar;
    for (;;) {
      cursor.skipSpace();
      if (cursor.atCommandEnd && cursor.peek() !== '{') break;
      this.parameter();
    }
    this.checkMandatory();
    for (const name of this.grammar.reads) if (findProperty(this.manual, name) !== undefined) this.reads.add(name);
    const { named, taken, positional, flags, where } = this;
    return { kind: 'menu', ...this.request, named, taken, positional, flags, where, reads: [...this.reads].toSorted() };
  }

  private parameter(): void {
    const { cursor } = this.grammar;
    const { command } = this.request;
    const place = cursor.place();
    if (command === 'find') {
      if (cursor.match(/where(?![\w-])/y) === undefined || !this.conditionsEnded()) this.conditions();
      return;
    }
    const word = cursor.lookAt(/[A-Za-z.][A-Za-z0-9-]*/y);
    const isNamed = word !== undefined && cursor.peek(word.length) === '=';
    if (command === 'print' && word !== undefined && !isNamed) return this.printWord(word, place);
    if (isNamed) return this.namedParameter(word, place);
    if (command === 'set' && cursor.peek() === '!') return this.takenBack();
    if (this.positional.length >= this.positionalLimit()) throw ParseError.at('expected end of command', place);
    this.positional.push(this.positionalValue(place));
    if (!cursor.atCommandEnd && !/\s/.test(cursor.peek()))
      throw ParseError.at('expected end of command', cursor.place());
  }

  private positionalLimit(): number {
    const limit = POSITIONAL[this.request.command] ?? 0;
    return this.manual.single ? Math.max(limit - 1, 0) : limit;
  }

  private printWord(word: string, place: Place): void {
    const { cursor } = this.grammar;
    if (!PRINT_WORDS.includes(word)) throw ParseError.at('expected end of command', place);
    cursor.offset += word.length;
    if (word !== 'where') this.flags.add(word);
    else if (!this.conditionsEnded()) this.conditions();
  }

  private conditionsEnded(): boolean {
    this.grammar.cursor.skipSpace();
    return this.grammar.cursor.atCommandEnd;
  }

  private conditions(): void {
    const { menu } = this.request;
    this.where = this.grammar.within({ lines: false, whereMenu: menu }, () => expression(this.grammar));
    const { cursor } = this.grammar;
    cursor.skipSpace();
    if (!cursor.atCommandEnd) throw ParseError.at('expected end of command', cursor.place());
  }

  private namedParameter(name: string, place: Place): void {
    const { cursor } = this.grammar;
    const { command } = this.request;
    const isProperty = CHANGES.has(command) && Object.hasOwn(this.manual.arguments, name);
    if (!isProperty && !(COMMAND_PARAMETERS[command] ?? []).includes(name)) {
      // a word that takes no value is known: RouterOS stumbles over the `=` behind it
      const known = command === 'print' && PRINT_WORDS.includes(name);
      throw ParseError.at('expected end of command', known ? cursor.place(cursor.offset + name.length) : place);
    }
    cursor.offset += name.length + 1;
    const value = argumentValue(this.grammar);
    if (!cursor.atCommandEnd && !/\s/.test(cursor.peek()))
      throw ParseError.at('expected end of command', cursor.place());
    if (name === 'proplist' || name === 'value-name') this.readsOf(name, value);
    if (isProperty && value.kind === 'literal') {
      const problem = checkArgument(this.manual, name, value.word === undefined ? value.value : str(value.word));
      if (problem !== undefined) throw new ParseError(problem);
    }
    this.named.push({ name, value });
  }

  /** Literal names of properties are checked while reading. */
  private readsOf(parameter: string, value: Expression): void {
    if (value.kind !== 'literal') return;
    const names = (value.word ?? textOf(value.value)).split(/[,;]/).filter((name) => name !== '');
    for (const name of names) {
      if (findProperty(this.manual, name) === undefined)
        throw new ParseError(`input does not match any value of ${parameter}`);
      this.reads.add(name);
    }
  }

  private positionalValue(place: Place): Expression {
    const { cursor } = this.grammar;
    const isName = this.positional.length === (this.manual.single ? 0 : 1);
    const word = cursor.match(/[^\s;)\]}"$([{]+/y);
    const value: Expression =
      word === undefined ? argumentValue(this.grammar) : { kind: 'literal', value: str(word), word, place };
    if (isName && (this.request.command === 'get' || this.request.command === 'unset'))
      this.readsOf('value-name', value);
    return value;
  }

  private takenBack(): void {
    const { cursor } = this.grammar;
    cursor.take('!');
    const place = cursor.place();
    const name = cursor.match(/[A-Za-z][A-Za-z0-9-]*/y);
    if (name === undefined || !Object.hasOwn(this.manual.arguments, name))
      throw ParseError.at('expected end of command', place);
    this.taken.push(name);
  }

  private checkMandatory(): void {
    const { command, place } = this.request;
    const given = new Set(this.named.map(({ name }) => name));
    const missing = command === 'add' ? this.manual.mandatory.filter((name) => !given.has(name)) : [];
    if (
      ['unset', 'remove', 'enable', 'disable'].includes(command) &&
      this.positional.length === 0 &&
      !given.has('numbers')
    ) {
      missing.push('numbers');
    }
    if (missing.length > 0) throw ParseError.at(`missing value(s) of argument(s) ${missing.join(' ')}`, place);
  }
}

/** Reads the arguments of a menu's command; what the manual does not know is refused here, before anything runs. */
export function menuStatement(grammar: Grammar, request: Request): MenuStatement {
  return new Reader(grammar, request).read();
}
