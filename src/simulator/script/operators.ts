import type { BinaryOperator, UnaryOperator } from './ast';
import { Refusal } from './errors';
import { findRegex } from './regex';
import { array, bool, elementOf, findBytes, findNumber, isEmpty, list, num, str, textOf, type Value } from './value';

type Arithmetic = '*' | '/' | '%' | '+' | '-' | '<<' | '>>' | '&' | '^' | '|';
const VERBS: Readonly<Record<Arithmetic, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'divide',
  '<<': 'shift',
  '>>': 'shift',
  '&': 'and',
  '|': 'or',
  '^': 'xor',
};

/** Numbers in arithmetic: nothing counts as 0, text that reads as a number as that. */
function findOperand(value: Value): bigint | undefined {
  if (value.type === 'num' || value.type === 'time') return value.value;
  if (value.type === 'nothing' || value.type === 'nil') return 0n;
  return value.type === 'str' ? (findNumber(value.value) ?? findBytes(value.value)) : undefined;
}

const CALCULATIONS: Readonly<Record<Arithmetic, (left: bigint, right: bigint) => bigint>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '<<': (left, right) => left << (right & 63n),
  '>>': (left, right) => left >> (right & 63n),
  '&': (left, right) => left & right,
  '^': (left, right) => left ^ right,
  '|': (left, right) => left | right,
};

function arithmetic(operator: Arithmetic, left: Value, right: Value): Value {
  const a = findOperand(left);
  const b = findOperand(right);
  if (a === undefined || b === undefined) {
    throw new Refusal(`cannot ${VERBS[operator]} ${right.type} to ${left.type}`);
  }
  if ((operator === '/' || operator === '%') && b === 0n) throw new Refusal('divide by zero');
  const result = BigInt.asIntN(64, CALCULATIONS[operator](a, b));
  return left.type === 'time' || right.type === 'time' ? { type: 'time', value: result } : num(result);
}

/** Whether a value holds in a condition; text is no condition. */
export function truth(value: Value): boolean {
  if (value.type === 'bool') return value.value;
  if (value.type === 'num') return value.value !== 0n;
  if (value.type === 'nothing' || value.type === 'nil') return false;
  throw new Refusal('conditional not boolean');
}

const TRUE_WORDS = new Set(['yes', 'true']);
const FALSE_WORDS = new Set(['no', 'false']);

/** Equality as `=` sees it: a number and its digits, yes and `yes`, nothing and an empty text are equal. */
export function equal(left: Value, right: Value): boolean {
  if (isEmpty(left) || isEmpty(right)) return isEmpty(left) && isEmpty(right);
  if (left.type === 'bool' || right.type === 'bool') {
    const [flag, other] = left.type === 'bool' ? [left, right] : [right, left];
    if (other.type === 'bool') return flag.type === 'bool' && flag.value === other.value;
    if (other.type !== 'str') return false;
    return (flag.type === 'bool' && flag.value ? TRUE_WORDS : FALSE_WORDS).has(other.value);
  }
  if (left.type === 'num' || right.type === 'num') {
    const a = findOperand(left);
    const b = findOperand(right);
    return a !== undefined && a === b;
  }
  return textOf(left) === textOf(right);
}

function less(left: Value, right: Value): boolean {
  const bothText = left.type === 'str' && right.type === 'str';
  const a = bothText ? undefined : findOperand(left);
  const b = bothText ? undefined : findOperand(right);
  if (a === undefined || b === undefined)
    throw new Refusal(`cannot compare if ${left.type} is less than ${right.type}`);
  return a < b;
}

function matches(left: Value, right: Value): boolean {
  const regex = findRegex(textOf(right));
  if (!regex) throw new Refusal('invalid regular expression');
  return left.type === 'array' ? left.items.some((item) => regex.test(textOf(item))) : regex.test(textOf(left));
}

function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function within(left: Value, right: Value): boolean {
  if (right.type === 'array') return [...right.items, ...right.keyed.values()].some((item) => equal(item, left));
  const [network = '', bits = '32'] = textOf(right).split('/');
  const [address = ''] = textOf(left).split('/');
  const block = 2 ** (32 - Number(bits));
  return Math.floor(addressNumber(address) / block) === Math.floor(addressNumber(network) / block);
}

function joined(left: Value, right: Value): Value {
  const a = left.type === 'array' ? left : list([left]);
  const b = right.type === 'array' ? right : list([right]);
  return array([...a.items, ...b.items], [...a.keyed, ...b.keyed]);
}

const calculation =
  (operator: Arithmetic) =>
  (left: Value, right: Value): Value =>
    arithmetic(operator, left, right);

const BINARY: Readonly<Record<BinaryOperator, (left: Value, right: Value) => Value>> = {
  '->': elementOf,
  '.': (left, right) => str(textOf(left) + textOf(right)),
  ',': joined,
  '=': (left, right) => bool(equal(left, right)),
  '!=': (left, right) => bool(!equal(left, right)),
  '<': (left, right) => bool(less(left, right)),
  '>': (left, right) => bool(less(right, left)),
  '<=': (left, right) => bool(!less(right, left)),
  '>=': (left, right) => bool(!less(left, right)),
  '~': (left, right) => bool(matches(left, right)),
  in: (left, right) => bool(within(left, right)),
  '&&': (left, right) => bool([left, right].map(truth).every(Boolean)),
  '||': (left, right) => bool([left, right].map(truth).some(Boolean)),
  '*': calculation('*'),
  '/': calculation('/'),
  '%': calculation('%'),
  '+': calculation('+'),
  '-': calculation('-'),
  '<<': calculation('<<'),
  '>>': calculation('>>'),
  '&': calculation('&'),
  '^': calculation('^'),
  '|': calculation('|'),
};

/** Throws Refusal. Both sides have been worked out: nothing is short-circuited. */
export function applyBinary(operator: BinaryOperator, left: Value, right: Value): Value {
  return BINARY[operator](left, right);
}

/** Throws Refusal. */
export function applyUnary(operator: UnaryOperator, operand: Value): Value {
  if (operator === '!') return bool(!truth(operand));
  const value = findOperand(operand);
  if (value === undefined) throw new Refusal(`cannot negate ${operand.type}`);
  return operator === '-' ? num(-value) : num(~value);
}
