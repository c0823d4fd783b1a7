import { Fault } from '../fault';
import { type Bytes, parseBytes } from '../size';
import { formatUntrusted } from '../text';

/**
 * What a script prints: one line of JSON, an object. It is read without loss (a number is the text that stands there), and
 * strictly: whatever is not as the script makes it is unreadable, and never taken for "nothing there".
 */

/** What came over the exec's two streams. The exit status of RouterOS tells nothing. */
export interface ScriptOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** One item of RouterOS: properties that are not set may be missing. */
export interface Row {
  /** The text; `''` where the property is not set. Throws ArrayUnreadable if it is no text. */
  text(property: string): string;
  /** A whole number, not negative, byte-exact; it must be there. Throws ArrayUnreadable. */
  bytes(property: string): Bytes;
  /** As `bytes`; undefined where the property is not set. */
  optionalBytes(property: string): Bytes | undefined;
  /** Text, or a list of texts with commas between them; `''` where the property is not set. Throws ArrayUnreadable for else. */
  list(property: string): string;
  /** `false` where the property is not set. Throws ArrayUnreadable if it is neither yes nor no. */
  flag(property: string): boolean;
}

/** The object that a script prints: what it names must be there. Each method throws ArrayUnreadable. */
export interface Answer {
  has(field: string): boolean;
  text(field: string): string;
  bytes(field: string): Bytes;
  /** The rows of a `print`, as many as `find` counted beside it (`<field>Count`). */
  rows(field: string): readonly Row[];
  /** Rows that a script may have had no reason to read, and so without a count. */
  optionalRows(field: string): readonly Row[];
}

/** What RouterOS prints, in plain text, where it does not run a script at all. */
const REFUSALS = [
  /^syntax error\b/,
  /^bad command name\b/,
  /^expected (?:end of )?command\b/,
  /^expected \w+/,
  /^input does not match\b/,
  /^(?:unknown|bad) parameter\b/,
  /^no such command\b/,
  /^ambiguous value\b/,
  /^missing value\b/,
  /^(?:failure: )?not enough permissions\b/,
];

type Fields = Readonly<Record<string, unknown>>;

/** Throws ArrayRefused where RouterOS did not take the script, ArrayUnreadable where anything but one line of JSON was printed. */
export function parseAnswer({ stdout, stderr }: ScriptOutput): Answer {
  const printed = [stdout, stderr].map((text) => text.trim()).filter((text) => text !== '');
  const [line, ...more] = printed;
  if (line === undefined) throw unreadable('RouterOS printed nothing');
  if (more.length === 0 && REFUSALS.some((refusal) => refusal.test(line))) {
    throw new Fault('ArrayRefused', `RouterOS did not take the script: ${formatUntrusted(line)}`);
  }
  if (more.length > 0 || stderr.trim() !== '' || /[\r\n]/.test(line)) {
    throw unreadable(`RouterOS printed more than one line of JSON: ${formatUntrusted(printed.join(' '))}`);
  }
  return answerOf(parseObject(line));
}

/** ArrayUnreadable, with a word on what was wrong. */
export function unreadable(why: string): Fault {
  return new Fault('ArrayUnreadable', `the answer of RouterOS cannot be read: ${why}`);
}

function answerOf(fields: Fields): Answer {
  const row = rowOf(fields);
  const need = (field: string): void => {
    if (!Object.hasOwn(fields, field)) throw unreadable(`it has no ${field}`);
  };
  const rows = (field: string): readonly Row[] => {
    need(field);
    return parseRows(fields[field], field);
  };
  return {
    has: (field) => Object.hasOwn(fields, field),
    text: (field) => {
      need(field);
      return row.text(field);
    },
    bytes: (field) => row.bytes(field),
    rows: (field) => {
      const found = rows(field);
      const counted = row.bytes(`${field}Count`);
      if (counted !== BigInt(found.length)) throw unreadable(`${counted} ${field} counted, ${found.length} read`);
      return found;
    },
    optionalRows: (field) => (fields[field] === '' ? [] : rows(field)),
  };
}

function rowOf(fields: Fields): Row {
  const value = (property: string): unknown => (Object.hasOwn(fields, property) ? fields[property] : undefined);
  const bytes = (property: string): Bytes => {
    const number = value(property);
    if (typeof number !== 'bigint' && typeof number !== 'string') throw unreadable(`${property} is no whole number`);
    try {
      return parseBytes(number, property);
    } catch (error) {
      if (error instanceof Fault) throw unreadable(error.message);
      throw error;
    }
  };
  return {
    bytes,
    optionalBytes: (property) => ((value(property) ?? '') === '' ? undefined : bytes(property)),
    text(property) {
      const text = value(property) ?? '';
      if (typeof text !== 'string') throw unreadable(`${property} is ${typeof text}, not text`);
      return text;
    },
    list(property) {
      const list = value(property) ?? '';
      if (typeof list === 'string') return list;
      if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list.join(',');
      throw unreadable(`${property} is neither text nor a list of texts`);
    },
    flag(property) {
      const flag = value(property) ?? false;
      if (flag === true || flag === 'true' || flag === 'yes') return true;
      if (flag === false || flag === 'false' || flag === 'no') return false;
      throw unreadable(`${property} is neither yes nor no`);
    },
  };
}

/** RouterOS serialises an empty array as `[]`, and nothing as `null`. */
function parseRows(value: unknown, field: string): readonly Row[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw unreadable(`${field} is no list`);
  return value.map((item: unknown) => {
    if (!isObject(item)) throw unreadable(`${field} holds what is no item`);
    return rowOf(item);
  });
}

function parseObject(line: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line, keepNumber);
  } catch {
    throw unreadable(`not JSON: ${formatUntrusted(line)}`);
  }
  if (!isObject(parsed)) throw unreadable(`not an object: ${formatUntrusted(line)}`);
  return parsed;
}

/** A whole number as a bigint, from its digits: a double would round sizes above 2^53. RouterOS may print `5` as `5.000000`. */
function keepNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number') return value;
  const [, digits] = /^(-?[0-9]+)(?:\.0+)?$/.exec(context?.source ?? '') ?? [];
  return digits === undefined ? value : BigInt(digits);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
