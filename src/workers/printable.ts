import { types } from 'node:util';
import { isFaultKind } from '../domain/fault';
import { Secret } from './config/secret';

const HIDDEN = '[secret]';
/** Keys whose values are never shown, however they came there. Paths of files with secrets (`…File`) may be. */
const SECRET_KEY = /(?:password|passphrase|private_?key|api_?key|secrets?|authorization|task_?token)$/i;
/** What the logger itself writes into every line. */
const TAKEN_KEYS: ReadonlySet<string> = new Set(['level', 'time', 'message']);
/** Deeper, wider and longer than any field that is meant to be read. */
const DEEPEST = 6;
const MOST_VALUES = 500;
const LONGEST_TEXT = 8_192;

interface Walk {
  readonly depth: number;
  /** Shared by the whole walk: how many values may still be printed. */
  readonly budget: { left: number };
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields as a log line may hold them: no secrets, nothing endless, nothing that JSON cannot say. */
export function printableFields(fields: Fields): Fields {
  const printed = printEntries(Object.entries(fields), { depth: 0, budget: { left: MOST_VALUES } });
  return Object.fromEntries(
    Object.entries(printed).map(([key, value]) => [TAKEN_KEYS.has(key) ? `${key}_` : key, value]),
  );
}

/** The kind of an expected failure: a Fault, or Temporal's failure that stands for one; undefined for a bug. */
export function findFaultKind(error: unknown): string | undefined {
  if (!isError(error)) return undefined;
  if ('kind' in error && typeof error.kind === 'string' && isFaultKind(error.kind)) return error.kind;
  if ('type' in error && typeof error.type === 'string' && isFaultKind(error.type)) return error.type;
  return error.name === 'ActivityFailure' ? findFaultKind(error.cause) : undefined;
}

function printEntries(entries: readonly (readonly [string, unknown])[], walk: Walk): Fields {
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      SECRET_KEY.test(key) && value !== undefined ? HIDDEN : printValue(value, { ...walk, depth: walk.depth + 1 }),
    ]),
  );
}

function printValue(value: unknown, walk: Walk): unknown {
  walk.budget.left -= 1;
  if (walk.budget.left < 0) return '…';
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'symbol' || typeof value === 'function') return undefined;
  return typeof value === 'object' && value !== null ? printObject(value, walk) : value;
}

function printObject(value: object, walk: Walk): unknown {
  if (value instanceof Secret) return HIDDEN;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (walk.depth > DEEPEST) return '…';
  if (isError(value)) return printError(value, walk);
  const below = { ...walk, depth: walk.depth + 1 };
  if (Array.isArray(value) || value instanceof Set) {
    return Array.from<unknown>(value)
      .slice(0, MOST_VALUES)
      .map((item) => printValue(item, below));
  }
  if (value instanceof Map) {
    return printEntries(
      [...value].slice(0, MOST_VALUES).map(([key, item]) => [String(key), item] as const),
      walk,
    );
  }
  return printEntries(Object.entries(value).slice(0, MOST_VALUES), walk);
}

/** An error's other properties are left out: libraries put requests, and with them anything, there. */
function printError(error: Error, walk: Walk): Fields {
  const kind = findFaultKind(error);
  const code = 'code' in error && ['string', 'number'].includes(typeof error.code) ? error.code : undefined;
  return {
    name: error.name,
    ...(kind !== undefined && { kind }),
    ...(code !== undefined && { code }),
    message: cut(error.message),
    ...(kind === undefined && error.stack !== undefined && { stack: cut(error.stack) }),
    ...(error.cause !== undefined && { cause: printValue(error.cause, { ...walk, depth: walk.depth + 1 }) }),
  };
}

/** Also an error of another realm, such as the one that workflows run in. */
function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

function cut(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}… (${text.length} characters)`;
}
