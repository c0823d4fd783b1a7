import type { Block, GlobalStatement } from './ast';
import { Refusal, ScriptError } from './errors';
import { truth } from './operators';
import { type Command, type Runtime, Scope } from './runtime';
import { bool, NOTHING, num, str, type Value } from './value';

async function condition(runtime: Runtime, statement: GlobalStatement, scope: Scope): Promise<boolean> {
  const value = await argument(runtime, statement, scope, statement.values.has('while') ? 'while' : 'condition');
  try {
    return truth(value);
  } catch (error) {
    throw error instanceof Refusal ? runtime.fail(error.message, statement) : error;
  }
}

async function argument(runtime: Runtime, statement: GlobalStatement, scope: Scope, name: string): Promise<Value> {
  const expression = statement.values.get(name);
  return expression ? runtime.evaluate(expression, scope) : NOTHING;
}

async function numeric(
  runtime: Runtime,
  statement: GlobalStatement,
  scope: Scope,
  name: string,
): Promise<bigint | undefined> {
  const value = await argument(runtime, statement, scope, name);
  if (value.type === 'nothing') return undefined;
  if (value.type !== 'num') throw runtime.fail(`invalid value for argument ${name}`, statement);
  return value.value;
}

async function optional(runtime: Runtime, block: Block | undefined, scope: Scope): Promise<Value> {
  return block ? runtime.run(block, scope) : NOTHING;
}

/** A value or, with `do=`, a function. */
async function assigned(runtime: Runtime, statement: GlobalStatement, scope: Scope): Promise<Value> {
  const body = statement.blocks.get('do');
  return body ? { type: 'code', body } : argument(runtime, statement, scope, 'value');
}

const local: Command = async (runtime, statement, scope) => {
  const value = await assigned(runtime, statement, scope);
  for (const name of statement.names) scope.declare(name, value);
  return NOTHING;
};

const global: Command = async (runtime, statement, scope) => {
  const hasValue = statement.values.has('value') || statement.blocks.has('do');
  const value = await assigned(runtime, statement, scope);
  for (const name of statement.names) {
    const box = runtime.machine.globals.get(name) ?? { value: NOTHING };
    if (hasValue) box.value = value;
    runtime.machine.globals.set(name, box);
    scope.bind(name, box);
  }
  return NOTHING;
};

const set: Command = async (runtime, statement, scope) => {
  if (statement.target) await runtime.assign(statement.target, await assigned(runtime, statement, scope), scope);
  return NOTHING;
};

const iff: Command = async (runtime, statement, scope) => {
  const holds = await condition(runtime, statement, scope);
  return optional(runtime, statement.blocks.get(holds ? 'do' : 'else'), scope);
};

const whileLoop: Command = async (runtime, statement, scope) => {
  while (await condition(runtime, statement, scope)) await optional(runtime, statement.blocks.get('do'), scope);
  return NOTHING;
};

const doBlock: Command = async (runtime, statement, scope) => {
  const handler = statement.blocks.get('on-error');
  try {
    do await optional(runtime, statement.blocks.get('command'), scope);
    while (statement.values.has('while') && (await condition(runtime, statement, scope)));
  } catch (error) {
    if (!handler || !(error instanceof ScriptError)) throw error;
    await runtime.run(handler, scope);
  }
  return NOTHING;
};

const forLoop: Command = async (runtime, statement, scope) => {
  const from = (await numeric(runtime, statement, scope, 'from')) ?? 0n;
  const to = (await numeric(runtime, statement, scope, 'to')) ?? 0n;
  // without a step it counts towards the end (seen: from=10 to=5 runs six times)
  const step = (await numeric(runtime, statement, scope, 'step')) ?? (from <= to ? 1n : -1n);
  if (step === 0n) throw runtime.fail('invalid value for argument step', statement);
  for (let value = from; step > 0n ? value <= to : value >= to; value += step) {
    const inner = new Scope(scope);
    for (const name of statement.names) inner.declare(name, num(value));
    await optional(runtime, statement.blocks.get('do'), inner);
  }
  return NOTHING;
};

function entries(value: Value): readonly (readonly [Value, Value])[] {
  if (value.type === 'nothing' || value.type === 'nil') return [];
  if (value.type !== 'array') return [[num(0n), value]];
  const numbered = value.items.map((item, index) => [num(BigInt(index)), item] as const);
  return [...numbered, ...[...value.keyed].map(([key, item]) => [str(key), item] as const)];
}

const foreach: Command = async (runtime, statement, scope) => {
  const [first = '', second] = statement.names;
  for (const [key, value] of entries(await argument(runtime, statement, scope, 'in'))) {
    const inner = new Scope(scope);
    inner.declare(first, second === undefined ? value : key);
    if (second !== undefined) inner.declare(second, value);
    await optional(runtime, statement.blocks.get('do'), inner);
  }
  return NOTHING;
};

/** False if nothing went wrong, true if something did. */
const onerror: Command = async (runtime, statement, scope) => {
  try {
    await optional(runtime, statement.blocks.get('in'), scope);
    return bool(false);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    const inner = new Scope(scope);
    for (const name of statement.names) inner.declare(name, str(error.message));
    await optional(runtime, statement.blocks.get('do'), inner);
    return bool(true);
  }
};

const retry: Command = async (runtime, statement, scope) => {
  const max = (await numeric(runtime, statement, scope, 'max')) ?? 0n;
  const delaySeconds = (await numeric(runtime, statement, scope, 'delay')) ?? 0n;
  const handler = statement.blocks.get('on-error');
  for (let attempt = 1n; attempt <= max; attempt += 1n) {
    try {
      return await optional(runtime, statement.blocks.get('command'), scope);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      if (attempt === max && !handler) throw error;
    }
    await runtime.machine.wait(Number(delaySeconds) * 1000);
  }
  return optional(runtime, handler, scope);
};

/** Declarations and flow of control. */
export const CONTROL: Readonly<Record<string, Command>> = {
  local,
  global,
  set,
  if: iff,
  while: whileLoop,
  do: doBlock,
  for: forLoop,
  foreach,
  onerror,
  retry,
};
