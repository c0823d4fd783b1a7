import { BOOLEAN_WORDS, type MenuManual } from '../manual';
import { bool, findBytes, findNumber, num, str, textOf, type Value } from './value';

/** The text of an argument: elements of an array are joined as they are written. */
export function argumentText(value: Value): string {
  return value.type === 'array' ? value.items.map(textOf).join(',') : textOf(value);
}

/** Why a value cannot be that of an argument, in RouterOS's words; undefined if it can. */
export function checkArgument(manual: MenuManual, name: string, value: Value): string | undefined {
  const text = argumentText(value);
  const allowed = manual.values[name];
  if (allowed && !allowed.includes(text)) return `input does not match any value of ${name}`;
  switch (manual.arguments[name]) {
    case 'bool':
      return BOOLEAN_WORDS.includes(text) ? undefined : `invalid value for argument ${name}`;
    case 'number':
      return findNumber(text) === undefined ? `invalid value for argument ${name}` : undefined;
    case 'size':
    case 'rounded':
      return findBytes(text) === undefined ? `invalid value for argument ${name}` : undefined;
    case 'string':
    case 'word':
    case 'time':
    case undefined:
    default:
      return undefined;
  }
}

/** A checked argument as it is kept: yes and no as booleans, sizes in bytes. */
export function argumentOf(manual: MenuManual, name: string, value: Value): Value {
  const text = argumentText(value);
  switch (manual.arguments[name]) {
    case 'bool':
      return bool(text === 'yes' || text === 'true');
    case 'number':
      return num(findNumber(text) ?? 0n);
    case 'size':
    case 'rounded':
      return num(findBytes(text) ?? 0n);
    case 'string':
    case 'word':
    case 'time':
    case undefined:
    default:
      return str(text);
  }
}
