/** POSIX extended regular expressions, as `~` takes them, in JavaScript's. */

const CLASSES: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
  cntrl: '\\x00-\\x1f\\x7f',
  print: '\\x20-\\x7e',
  graph: '\\x21-\\x7e',
};

/** A bracket expression, in which a backslash is an ordinary character and `]` may stand first. */
function bracket(pattern: string, start: number): { readonly source: string; readonly end: number } | undefined {
  let at = start + 1;
  let source = '[';
  if (pattern[at] === '^') {
    source += '^';
    at += 1;
  }
  for (let first = true; at < pattern.length; first = false) {
    const named = /^\[:([a-z]+):\]/.exec(pattern.slice(at));
    const char = pattern[at] ?? '';
    if (named) {
      const set = CLASSES[named[1] ?? ''];
      if (set === undefined) return undefined;
      source += set;
      at += named[0].length;
    } else if (char === ']' && !first) {
      return { source: `${source}]`, end: at + 1 };
    } else {
      source += '\\[]^'.includes(char) ? `\\${char}` : char;
      at += 1;
    }
  }
  return undefined;
}

/** Undefined if the expression is none. */
export function findRegex(pattern: string): RegExp | undefined {
  let source = '';
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at] ?? '';
    if (char === '[') {
      const found = bracket(pattern, at);
      if (!found) return undefined;
      source += found.source;
      at = found.end;
    } else if (char === '\\') {
      const next = pattern[at + 1];
      if (next === undefined) return undefined;
      source += /[A-Za-z0-9]/.test(next) ? next : `\\${next}`;
      at += 2;
    } else {
      if (char === '(' && pattern[at + 1] === '?') return undefined;
      source += char;
      at += 1;
    }
  }
  try {
    return new RegExp(source, 's');
  } catch {
    return undefined;
  }
}
