import { findProperty, MANUAL } from '../manual';
import type { ArrayEntry, BinaryOperator, Expression } from './ast';
import { ParseError } from './errors';
import type { Grammar } from './grammar';
import { quotedString, variableName } from './strings';
import { list, NIL, NOTHING, str, type Value, wordValue } from './value';

/** Operators from the loosest to the tightest; those of a row bind from the left. Longer ones first. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  [','],
  ['||'],
  ['&&'],
  ['!=', '<=', '>=', '=', '<', '>', '~', 'in'],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['.'],
  ['+', '-'],
  ['*', '/', '%'],
];
const AND = 2;
const COMPARE = 3;
/** Longer operators that begin like a shorter one of another row. */
const LONGER: Readonly<Record<string, readonly string[]>> = {
  '|': ['||'],
  '&': ['&&'],
  '<': ['<<', '<='],
  '>': ['>>', '>='],
  '-': ['->'],
};
const WORD_OPERATORS: Readonly<Record<string, RegExp>> = {
  '||': /or(?![\w-])/y,
  '&&': /and(?![\w-])/y,
  in: /in(?![\w-])/y,
};

/** The whole of an expression, e.g. what stands in parentheses. */
export function expression(grammar: Grammar): Expression {
  return level(grammar, 0, false);
}

function operatorHere(grammar: Grammar, depth: number): BinaryOperator | undefined {
  const { cursor } = grammar;
  for (const operator of LEVELS[depth] ?? []) {
    const word = WORD_OPERATORS[operator];
    if (word && cursor.match(word) !== undefined) return operator;
    if (operator === 'in' || (LONGER[operator] ?? []).some((longer) => cursor.startsWith(longer))) continue;
    if (cursor.take(operator)) return operator;
  }
  return undefined;
}

function level(grammar: Grammar, depth: number, rightOfComparison: boolean): Expression {
  if (depth >= LEVELS.length) return unary(grammar, rightOfComparison);
  const { cursor } = grammar;
  let left = level(grammar, depth + 1, rightOfComparison);
  for (;;) {
    grammar.space();
    const place = cursor.place();
    const start = cursor.offset;
    let operator = operatorHere(grammar, depth);
    // conditions that only stand beside each other are all asked for
    if (!operator && depth === AND && grammar.whereMenu !== undefined && beginsCondition(grammar)) operator = '&&';
    if (!operator) {
      cursor.offset = start;
      return left;
    }
    grammar.space();
    const right = level(
      grammar,
      depth + 1,
      rightOfComparison || (depth === COMPARE && grammar.whereMenu !== undefined),
    );
    left = { kind: 'binary', operator, left, right, place };
  }
}

function beginsCondition(grammar: Grammar): boolean {
  const { cursor } = grammar;
  return !cursor.atCommandEnd && /[A-Za-z.!($["]/.test(cursor.peek()) && cursor.lookAt(/or(?![\w-])/y) === undefined;
}

function unary(grammar: Grammar, rightOfComparison: boolean): Expression {
  const { cursor } = grammar;
  grammar.space();
  const place = cursor.place();
  if (cursor.peek() === '!' && cursor.peek(1) !== '=') {
    cursor.take('!');
    return { kind: 'unary', operator: '!', operand: unary(grammar, rightOfComparison), place };
  }
  if (cursor.peek() === '-' && cursor.lookAt(/-\d/y) === undefined) {
    cursor.take('-');
    return { kind: 'unary', operator: '-', operand: unary(grammar, rightOfComparison), place };
  }
  if (cursor.take('~')) return { kind: 'unary', operator: '~', operand: unary(grammar, rightOfComparison), place };
  let operand = primary(grammar, rightOfComparison);
  for (;;) {
    const start = cursor.offset;
    grammar.space();
    const arrow = cursor.place();
    if (!cursor.take('->')) {
      cursor.offset = start;
      return operand;
    }
    grammar.space();
    operand = { kind: 'binary', operator: '->', left: operand, right: primary(grammar, true), place: arrow };
  }
}

/** What begins with a character of its own: a string, a variable, brackets. */
function bracketed(grammar: Grammar): Expression | undefined {
  const { cursor } = grammar;
  switch (cursor.peek()) {
    case '"':
      return quotedString(grammar, { parenthesised, commands });
    case '$':
      return variable(grammar);
    case '(':
      return parenthesised(grammar);
    case '[':
      return commands(grammar);
    case '{':
      return arrayLiteral(grammar);
    default:
      return undefined;
  }
}

function variable(grammar: Grammar): Expression {
  const { cursor } = grammar;
  cursor.expect('$');
  const place = cursor.place();
  const name = variableName(grammar);
  if (grammar.whereMenu !== undefined) grammar.reads.add(name);
  return { kind: 'variable', name, place };
}

function primary(grammar: Grammar, rightOfComparison: boolean): Expression {
  const { cursor } = grammar;
  const found = bracketed(grammar);
  if (found) return found;
  const place = cursor.place();
  if (grammar.whereMenu !== undefined && !rightOfComparison) return property(grammar, grammar.whereMenu);
  const word =
    grammar.whereMenu === undefined
      ? cursor.match(/\*[0-9A-Fa-f]+|-?\d[\w.:/]*|[A-Za-z_][\w.-]*/y)
      : cursor.match(/[^\s;)\]}&|,"$([{=!<>~]+/y);
  if (word === undefined) throw cursor.syntaxError();
  return { kind: 'literal', value: numeric(grammar, word), place };
}

/** `5/2` is a division; `10.0.0.0/8` is not. */
function numeric(grammar: Grammar, word: string): Value {
  const value = wordValue(word);
  const digits = /^-?\d+(?=[./])/.exec(word)?.[0];
  if (value.type !== 'str' || digits === undefined || grammar.whereMenu !== undefined) return value;
  grammar.cursor.offset -= word.length - digits.length;
  return wordValue(digits);
}

function property(grammar: Grammar, menu: string): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  const start = cursor.offset;
  const word = cursor.match(/\.id|-?\d[\w.:]*|[A-Za-z][A-Za-z0-9-]*/y);
  if (word === undefined) throw cursor.syntaxError();
  const manual = MANUAL[menu];
  if (manual && findProperty(manual, word) !== undefined) {
    grammar.reads.add(word);
    return { kind: 'property', name: word, place };
  }
  const value = wordValue(word);
  if (value.type === 'str') throw ParseError.at('expected end of command', cursor.place(start));
  return { kind: 'literal', value, place };
}

/** `( … )`; nothing in it is nothing. */
export function parenthesised(grammar: Grammar): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  cursor.expect('(');
  return grammar.within({ lines: true, whereMenu: grammar.whereMenu }, () => {
    grammar.space();
    if (cursor.take(')')) return { kind: 'literal', value: NOTHING, place };
    const inner = expression(grammar);
    grammar.space();
    cursor.expect(')');
    return inner;
  });
}

/** `[ … ]`: what the command in it returns. */
export function commands(grammar: Grammar): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  cursor.expect('[');
  const body = grammar.within({ lines: false, whereMenu: undefined }, () => grammar.block(']', false));
  if (body.statements.length === 0) return { kind: 'literal', value: NIL, place };
  return { kind: 'commands', body, place };
}

function entry(grammar: Grammar): ArrayEntry {
  const { cursor } = grammar;
  const key = cursor.lookAt(/[A-Za-z0-9_.-]+=/y);
  if (key !== undefined) {
    const place = cursor.place();
    cursor.offset += key.length;
    return { key: { kind: 'literal', value: str(key.slice(0, -1)), place }, value: element(grammar) };
  }
  const value = element(grammar);
  return cursor.take('=') ? { key: value, value: element(grammar) } : { key: undefined, value };
}

function element(grammar: Grammar): Expression {
  const { cursor } = grammar;
  const found = bracketed(grammar);
  if (found) return found;
  const place = cursor.place();
  const word = cursor.match(/[^\s;)\]}"$([{=]+/y);
  if (word === undefined) throw cursor.syntaxError();
  return { kind: 'literal', value: wordValue(word), place };
}

/** `{a;b}`, `{"k"=v; k=v}`. */
function arrayLiteral(grammar: Grammar): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  cursor.expect('{');
  return grammar.within({ lines: true, whereMenu: undefined }, () => {
    const entries: ArrayEntry[] = [];
    for (;;) {
      grammar.space();
      if (cursor.take('}')) return { kind: 'array', entries, place };
      if (cursor.take(';')) continue;
      entries.push(entry(grammar));
      grammar.space();
      if (cursor.peek() !== ';' && cursor.peek() !== '}') throw cursor.syntaxError();
    }
  });
}

/** The value of an argument: brackets, a string, a variable, or a word; words joined by commas are an array. */
export function argumentValue(grammar: Grammar): Expression {
  const { cursor } = grammar;
  const found = bracketed(grammar);
  if (found) return found;
  const place = cursor.place();
  const word = cursor.match(/[^\s;)\]}"$([{]+/y);
  if (word === undefined) {
    if (!cursor.atCommandEnd && !/\s/.test(cursor.peek())) throw cursor.syntaxError();
    return { kind: 'literal', value: str(''), place };
  }
  const words = word.split(',');
  return { kind: 'literal', value: words.length > 1 ? list(words.map(wordValue)) : wordValue(word), word, place };
}
