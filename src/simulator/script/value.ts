import { unreachable } from '../unreachable';
import type { ArrayValue, Value } from './ast';

export type { ArrayValue, Value } from './ast';

export const NOTHING: Value = { type: 'nothing' };
export const NIL: Value = { type: 'nil' };
export const bool = (value: boolean): Value => ({ type: 'bool', value });
export const num = (value: bigint): Value => ({ type: 'num', value: BigInt.asIntN(64, value) });
export const str = (value: string): Value => ({ type: 'str', value });
export const id = (value: string): Value => ({ type: 'id', value });

/** An array without keys. */
export const list = (items: readonly Value[]): ArrayValue => ({ type: 'array', items, keyed: new Map() });

/** An array; keys are put in order. */
export function array(items: readonly Value[], keyed: Iterable<readonly [string, Value]>): ArrayValue {
  const sorted = [...new Map(keyed)].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { type: 'array', items, keyed: new Map(sorted) };
}

const MAX = 2n ** 63n - 1n;
const NUMBER = /^-?\d+$/;
const HEX = /^0x[0-9A-Fa-f]+$/;
const IP = /^\d{1,3}(\.\d{1,3}){3}$/;
const UNIT_NS: Readonly<Record<string, bigint>> = {
  w: 604_800_000_000_000n,
  d: 86_400_000_000_000n,
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
};

/** A decimal or 0x number that fits 64 bits. */
export function findNumber(text: string): bigint | undefined {
  if (!NUMBER.test(text) && !HEX.test(text)) return undefined;
  const value = BigInt(text.startsWith('-') ? text.slice(1) : text) * (text.startsWith('-') ? -1n : 1n);
  return value <= MAX && value >= -MAX - 1n ? value : undefined;
}

/** `1h30m`, `500ms`, `00:01:30`, `1d02:00:00`. */
export function findTime(text: string): bigint | undefined {
  const clock = /^(?:(\d+)d)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?$/.exec(text);
  if (clock) {
    const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = ''] = clock;
    const whole = ((BigInt(days) * 24n + BigInt(hours)) * 60n + BigInt(minutes)) * 60n + BigInt(seconds);
    return whole * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  }
  if (!/^(\d+(ms|us|ns|[wdhms]))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)(ms|us|ns|[wdhms])/g)].reduce(
    (sum, [, amount = '0', unit = 's']) => sum + BigInt(amount) * (UNIT_NS[unit] ?? 0n),
    0n,
  );
}

const SIZE = /^(\d+)(?:\.(\d+))?([KMGTP])(?:i?B)?$/;

/** Bytes of `10G`, `1.5T`, `512` (units are powers of 1024: seen, `1T` became 1 099 511 627 776). */
export function findBytes(text: string): bigint | undefined {
  if (/^\d+$/.test(text)) return findNumber(text);
  const match = SIZE.exec(text);
  if (!match) return undefined;
  const [, whole = '0', fraction = '', unit = 'K'] = match;
  const scale = 1024n ** BigInt('KMGTP'.indexOf(unit) + 1);
  const bytes = (BigInt(whole + fraction) * scale) / 10n ** BigInt(fraction.length);
  return bytes <= MAX ? bytes : undefined;
}

/** What an unquoted word stands for. */
export function wordValue(word: string): Value {
  if (word === 'true' || word === 'yes') return bool(true);
  if (word === 'false' || word === 'no') return bool(false);
  const number = findNumber(word);
  if (number !== undefined) return num(number);
  if (/^\*[0-9A-Fa-f]+$/.test(word)) return id(word);
  if (IP.test(word)) return { type: 'ip', value: word };
  if (/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(word)) return { type: 'ip-prefix', value: word };
  const time = findTime(word);
  return time === undefined ? str(word) : { type: 'time', value: time };
}

function timeText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const pad = (value: bigint) => value.toString().padStart(2, '0');
  const days = seconds / 86_400n;
  const clock = `${pad((seconds / 3600n) % 24n)}:${pad((seconds / 60n) % 60n)}:${pad(seconds % 60n)}`;
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const weeks = days / 7n;
  const dayText = days === 0n ? '' : `${weeks > 0n ? `${weeks}w` : ''}${days % 7n > 0n ? `${days % 7n}d` : ''}`;
  return `${dayText}${clock}${fraction && `.${fraction}`}`;
}

/** As `:put` and `.` write it. */
export function textOf(value: Value): string {
  switch (value.type) {
    case 'nothing':
    case 'nil':
      return '';
    case 'bool':
      return value.value ? 'true' : 'false';
    case 'num':
      return value.value.toString();
    case 'str':
    case 'id':
    case 'ip':
    case 'ip-prefix':
      return value.value;
    case 'time':
      return timeText(value.value);
    case 'array':
      return [...value.items.map(textOf), ...[...value.keyed].map(([key, each]) => `${key}=${textOf(each)}`)].join(';');
    case 'code':
      return '(code)';
  }
  return unreachable(value);
}

/** Neither a value nor an empty text. */
export function isEmpty(value: Value): boolean {
  return value.type === 'nothing' || value.type === 'nil' || (value.type === 'str' && value.value === '');
}

/** How many elements, or bytes of text. */
export function lengthOf(value: Value): bigint {
  return BigInt(value.type === 'array' ? value.items.length + value.keyed.size : textOf(value).length);
}

/** An array's element by position or key; NOTHING if it has none. */
export function elementOf(value: Value, key: Value): Value {
  if (value.type !== 'array') return NOTHING;
  if (key.type === 'num') {
    const index = Number(key.value);
    const all = [...value.items, ...value.keyed.values()];
    return index >= 0 ? (all[index] ?? NOTHING) : NOTHING;
  }
  return value.keyed.get(textOf(key)) ?? NOTHING;
}

/** The array with one element set. */
export function withElement(value: Value, key: Value, element: Value): Value {
  const old = value.type === 'array' ? value : list([]);
  if (key.type !== 'num') return array(old.items, [...old.keyed, [textOf(key), element]]);
  const index = Number(key.value);
  const items = index >= old.items.length ? [...old.items, element] : old.items.with(index, element);
  return { ...old, items };
}
