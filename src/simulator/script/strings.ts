import type { Expression } from './ast';
import type { Grammar } from './grammar';
import { str } from './value';

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  n: '\n',
  r: '\r',
  t: '\t',
  $: '$',
  '?': '?',
  _: ' ',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** The parts of the parser that a string may hold. */
export interface Embedded {
  parenthesised(grammar: Grammar): Expression;
  commands(grammar: Grammar): Expression;
}

/** A name after `$`: letters and digits; anything else needs quotes. */
export function variableName(grammar: Grammar): string {
  const { cursor } = grammar;
  const name = cursor.match(/[A-Za-z0-9]+/y);
  if (name !== undefined) return name;
  if (cursor.peek() !== '"') throw cursor.syntaxError();
  cursor.take('"');
  const quoted = cursor.match(/[^"\\$\n]+/y);
  if (quoted === undefined) throw cursor.syntaxError();
  cursor.expect('"');
  return quoted;
}

function escape(grammar: Grammar): string {
  const { cursor } = grammar;
  const start = cursor.offset;
  cursor.take('\\');
  // a joined line: the break and the indentation of the next line are not part of the string
  if (cursor.match(/\r?\n[ \t]*/y) !== undefined) return '';
  const hex = cursor.match(/[0-9A-F]{2}/y);
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  const char = cursor.peek();
  const plain = Object.hasOwn(ESCAPES, char) ? ESCAPES[char] : undefined;
  if (plain === undefined) throw cursor.syntaxError(char === '' ? cursor.offset : start + 1);
  cursor.offset += 1;
  return plain;
}

function embedded(grammar: Grammar, parser: Embedded): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  if (cursor.peek() === '(') return parser.parenthesised(grammar);
  if (cursor.peek() === '[') return parser.commands(grammar);
  const name = cursor.match(/[A-Za-z0-9]+/y);
  if (name === undefined) throw cursor.syntaxError();
  if (grammar.whereMenu !== undefined) grammar.reads.add(name);
  return { kind: 'variable', name, place };
}

/** A quoted string with its escapes, `$name`, `$(…)` and `$[…]`. */
export function quotedString(grammar: Grammar, parser: Embedded): Expression {
  const { cursor } = grammar;
  const place = cursor.place();
  cursor.expect('"');
  const parts: (string | Expression)[] = [];
  let text = '';
  while (!cursor.take('"')) {
    if (cursor.done) throw cursor.syntaxError();
    const plain = cursor.match(/[^"\\$]+/y);
    if (plain !== undefined) text += plain;
    else if (cursor.peek() === '\\') text += escape(grammar);
    else if (cursor.take('$')) {
      parts.push(text, embedded(grammar, parser));
      text = '';
    }
  }
  if (parts.length === 0) return { kind: 'literal', value: str(text), place };
  return { kind: 'string', parts: [...parts, text].filter((part) => part !== ''), place };
}
