import { findProperty, type MenuManual } from '../manual';
import { isEmpty, textOf, type Value } from '../script/value';
import type { Row } from './row';

const END = '\r\n';
const UNITS = ['', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `53 687 091 200`. */
export function grouped(value: bigint): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

/** `50.0GiB`, `3016.1KiB`, `230`: the largest unit of which there are at least ten thousandths of the next. */
export function rounded(bytes: bigint): string {
  let unit = 0;
  let value = Number(bytes);
  while (value >= 10_000 && unit < 3) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? bytes.toString() : `${value.toFixed(1)}${UNITS[unit]}`;
}

function plain(manual: MenuManual, name: string, value: Value): string {
  if (value.type === 'bool') return value.value ? 'yes' : 'no';
  const kind = findProperty(manual, name);
  if (value.type === 'num' && kind === 'size') return grouped(value.value);
  if (value.type === 'num' && kind === 'rounded') return rounded(value.value);
  return textOf(value);
}

function shown(manual: MenuManual, name: string, value: Value): string {
  const text = plain(manual, name, value);
  return findProperty(manual, name) === 'string'
    ? `${name}="${text.replaceAll(/(["\\$])/g, '\\$1')}"`
    : `${name}=${text}`;
}

/** `Flags: B - BLOCK-DEVICE; t - NVME-TCP-EXPORT`, of the flags that some row has. */
function flagsLine(manual: MenuManual, rows: readonly Row[]): string {
  const used = manual.flags.filter(([letter]) => rows.some((row) => row.flags.includes(letter)));
  return used.length === 0
    ? ''
    : `Flags: ${used.map(([letter, name]) => `${letter} - ${name.toUpperCase()}`).join('; ')}${END}`;
}

/** Breaks words into lines; one that is longer than a line is itself broken. */
function wrapped(words: readonly string[], indent: string, width: number): string {
  const room = Math.max(width - indent.length, 20);
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(...pieces(word, room));
  }
  return lines.join(`${END}${indent}`);
}

function pieces(word: string, room: number): readonly string[] {
  const count = Math.max(Math.ceil(word.length / room), 1);
  return Array.from({ length: count }, (_, index) => word.slice(index * room, (index + 1) * room));
}

interface Layout {
  readonly manual: MenuManual;
  /** Columns of the terminal; undefined: lines are not broken. */
  readonly width: number | undefined;
  readonly properties: readonly string[] | undefined;
}

/** `print detail`. */
export function detail(rows: readonly Row[], { manual, width, properties }: Layout): string {
  if (rows.length === 0) return '';
  const numbers = String(rows.length - 1).length;
  const letters = Math.max(...rows.map((row) => row.flags.length));
  const items = rows.map((row, index) => {
    const flags = letters === 0 ? '' : `${row.flags.padEnd(letters)} `;
    const prefix = `${String(index).padStart(numbers + 1)} ${flags}`;
    const indent = ' '.repeat(prefix.length);
    const names = properties ?? [...row.values.keys()];
    const words = names
      .filter((name) => name !== '.id' && !row.hidden.has(name) && row.values.has(name))
      .map((name) => shown(manual, name, row.values.get(name) ?? { type: 'nothing' }));
    const comment = row.values.get('comment');
    const head = comment && !isEmpty(comment) ? `;;; ${textOf(comment)}${END}${indent}` : '';
    return `${prefix}${head}${wrapped(words, indent, width ?? Number.MAX_SAFE_INTEGER)}${END}`;
  });
  return flagsLine(manual, rows) + items.join(END);
}

const MIN_COLUMN = 4;

/** Makes the widest columns narrower until a line fits: what does not is cut. */
function fitted(widths: readonly number[], width: number): readonly number[] {
  const fit = [...widths];
  const total = () => fit.reduce((sum, each) => sum + each + 2, 0);
  while (total() > width) {
    const widest = Math.max(...fit);
    if (widest <= MIN_COLUMN) break;
    fit[fit.indexOf(widest)] = widest - 1;
  }
  return fit;
}

/** `print`. */
export function table(rows: readonly Row[], { manual, width, properties }: Layout): string {
  if (rows.length === 0) return '';
  const cell = (row: Row, name: string) => {
    const value = row.values.get(name);
    return value === undefined ? '' : plain(manual, name, value);
  };
  const names = (properties ?? rows[0]?.columns ?? []).filter((name) => rows.some((row) => cell(row, name) !== ''));
  const letters = Math.max(...rows.map((row) => row.flags.length));
  const numbers = String(rows.length - 1).length;
  const natural = names.map((name) => Math.max(name.length, ...rows.map((row) => cell(row, name).length)));
  const prefix = numbers + (letters > 0 ? letters + 1 : 0) + 1;
  const widths = width === undefined ? natural : fitted(natural, width - prefix + 2);
  const padded = (text: string, at: number) => {
    const room = widths[at] ?? 0;
    const right = ['size', 'rounded', 'number'].includes(findProperty(manual, names[at] ?? '') ?? '');
    return right ? text.slice(0, room).padStart(room) : text.slice(0, room).padEnd(room);
  };
  const line = (number: string, flags: string, cells: readonly string[]) =>
    `${number.padEnd(numbers)}${letters > 0 ? ` ${flags.padEnd(letters)}` : ''} ${cells.map(padded).join('  ')}`.trimEnd() +
    END;
  const header = names.map((name) => name.toUpperCase());
  const body = rows.map((row, index) => {
    const comment = row.values.get('comment');
    const head = comment && !isEmpty(comment) ? `;;; ${textOf(comment)}${END}` : '';
    const cells = names.map((name) => cell(row, name));
    return head + line(String(index), row.flags, cells);
  });
  return `${flagsLine(manual, rows)}Columns: ${header.join(', ')}${END}${line('#', '', header)}${body.join('')}`;
}

/** The form of a menu of one item: a property in each line. */
export function single(row: Row, manual: MenuManual): string {
  const names = [...row.values.keys()].filter((name) => name !== '.id');
  const wide = Math.max(...names.map((name) => name.length));
  return names
    .map(
      (name) =>
        `${`${name}:`.padStart(wide + 3)} ${plain(manual, name, row.values.get(name) ?? { type: 'nothing' })}${END}`,
    )
    .join('');
}
