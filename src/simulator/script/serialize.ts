import { unreachable } from '../unreachable';
import { textOf, type Value } from './value';

/** How `:serialize to=json` writes strings that look like numbers. */
export interface JsonOptions {
  readonly convertStrings: boolean;
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
};

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /["\\\x00-\x1f]/g;

function quoted(text: string): string {
  const escaped = text.replaceAll(
    CONTROL,
    (char) => SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}

/** JSON as RouterOS writes it: no spaces, keys in order, numbers whole; bytes beyond ASCII stand as they are. */
export function toJson(value: Value, options: JsonOptions): string {
  switch (value.type) {
    case 'nothing':
    case 'nil':
      return 'null';
    case 'bool':
    case 'num':
      return textOf(value);
    case 'str':
      if (options.convertStrings && /^-?\d+(\.\d+)?$/.test(value.value)) return Number(value.value).toFixed(6);
      return quoted(value.value);
    case 'id':
    case 'ip':
    case 'ip-prefix':
    case 'time':
    case 'code':
      return quoted(textOf(value));
    case 'array': {
      if (value.keyed.size === 0) return `[${value.items.map((item) => toJson(item, options)).join(',')}]`;
      const numbered = value.items.map((item, index) => [String(index), item] as const);
      const members = [...numbered, ...value.keyed].map(([key, each]) => `${quoted(key)}:${toJson(each, options)}`);
      return `{${members.join(',')}}`;
    }
  }
  return unreachable(value);
}
