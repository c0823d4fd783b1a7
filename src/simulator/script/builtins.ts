import type { GlobalStatement } from './ast';
import { Halt, Refusal } from './errors';
import { truth } from './operators';
import { type Command, Return, type Runtime, type Scope } from './runtime';
import { toJson } from './serialize';
import {
  bool,
  findNumber,
  findTime,
  id,
  lengthOf,
  list,
  NIL,
  NOTHING,
  num,
  str,
  textOf,
  type Value,
  wordValue,
} from './value';

/** A command that only works out a value from its arguments. */
function pure(work: (...values: Value[]) => Value, ...names: string[]): Command {
  return async (runtime, statement, scope) => {
    const values: Value[] = [];
    for (const name of names) values.push(await argument(runtime, statement, scope, name));
    return work(...values);
  };
}

async function argument(runtime: Runtime, statement: GlobalStatement, scope: Scope, name: string): Promise<Value> {
  const expression = statement.values.get(name);
  return expression ? runtime.evaluate(expression, scope) : NOTHING;
}

const TOPICS = new Set(['debug', 'info', 'warning', 'error']);
const LINE_END = '\r\n';

function toNumber(value: Value): Value {
  if (value.type === 'num') return value;
  const number = value.type === 'str' ? findNumber(value.value) : undefined;
  return number === undefined ? NIL : num(number);
}

function toBoolean(value: Value): Value {
  return value.type === 'bool' || value.type === 'num' ? bool(truth(value)) : NIL;
}

function toTime(value: Value): Value {
  if (value.type === 'time') return value;
  if (value.type === 'num') return { type: 'time', value: value.value * 1_000_000_000n };
  const time = findTime(textOf(value));
  return time === undefined ? NIL : { type: 'time', value: time };
}

function toArray(value: Value, delimiter: Value): Value {
  if (value.type === 'array') return value;
  if (value.type === 'nothing' || value.type === 'nil') return list([]);
  const parts = textOf(value).split(textOf(delimiter) || ',');
  return list(value.type === 'str' ? parts.map(wordValue) : [value]);
}

function ofType(type: Value['type']): (value: Value) => Value {
  return (value) => {
    if (value.type === type) return value;
    const read = wordValue(textOf(value).split('/')[0] ?? '');
    return read.type === type ? read : NIL;
  };
}

/** Elements or bytes from `begin` up to, not including, `end`; one without `end`. */
function pick(value: Value, begin: Value, end: Value): Value {
  const from = begin.type === 'num' ? Math.max(Number(begin.value), 0) : 0;
  const to = end.type === 'num' ? Math.max(Number(end.value), from) : undefined;
  if (value.type !== 'array') return str(textOf(value).slice(from, to ?? from + 1));
  const all = [...value.items, ...value.keyed.values()];
  return to === undefined ? (all[from] ?? NOTHING) : list(all.slice(from, to));
}

/** The position of the first after `from`. */
function find(where: Value, what: Value, from: Value): Value {
  const start = from.type === 'num' ? Number(from.value) + 1 : 0;
  const index =
    where.type === 'array'
      ? where.items.findIndex((item, at) => at >= start && textOf(item) === textOf(what))
      : textOf(where).indexOf(textOf(what), start);
  return index < 0 ? NIL : num(BigInt(index));
}

function serialize(value: Value, to: Value, options: Value): Value {
  if (textOf(to) !== 'json') throw new Refusal('input does not match any value of to', 'to');
  const chosen = (options.type === 'array' ? options.items.map(textOf) : [textOf(options)]).filter(
    (each) => each !== '',
  );
  const unknown = chosen.filter((each) => each !== 'json.no-string-conversion');
  if (unknown.length > 0) throw new Refusal('input does not match any value of options', 'options');
  return str(toJson(value, { convertStrings: chosen.length === 0 }));
}

const delay: Command = async (runtime, statement, scope) => {
  const time = toTime(await argument(runtime, statement, scope, 'delay-time'));
  if (time.type !== 'time') throw runtime.fail('invalid value for argument delay-time', statement);
  await runtime.machine.wait(Number(time.value / 1_000_000n));
  return NOTHING;
};

const log: Command = async (runtime, statement, scope) => {
  const topic = textOf(await argument(runtime, statement, scope, 'topics'));
  if (!TOPICS.has(topic)) throw runtime.fail('input does not match any value of topics', statement);
  runtime.machine.log(`script,${topic}`, textOf(await argument(runtime, statement, scope, 'message')));
  return NOTHING;
};

/** The commands that are neither declarations nor flow of control. */
export const BUILTINS: Readonly<Record<string, Command>> = {
  put: async (runtime, statement, scope) => {
    const text = textOf(await argument(runtime, statement, scope, 'message'));
    runtime.machine.write(text.replaceAll(/\r?\n/g, LINE_END) + LINE_END);
    return NOTHING;
  },
  error: async (runtime, statement, scope) => {
    throw runtime.fail(textOf(await argument(runtime, statement, scope, 'message')), statement);
  },
  return: async (runtime, statement, scope) => {
    throw new Return(await argument(runtime, statement, scope, 'value'));
  },
  quit: async () => {
    throw new Halt('quit');
  },
  nothing: async () => NOTHING,
  timestamp: async () => ({ type: 'time', value: BigInt(Date.now()) * 1_000_000n }),
  delay,
  log,
  len: pure((value) => num(lengthOf(value)), 'value'),
  typeof: pure((value) => str(value.type), 'value'),
  tostr: pure((value) => str(textOf(value)), 'value'),
  tonum: pure(toNumber, 'value'),
  tobool: pure(toBoolean, 'value'),
  totime: pure(toTime, 'value'),
  toid: pure((value) => (/^\*[0-9A-Fa-f]+$/.test(textOf(value)) ? id(textOf(value)) : NIL), 'value'),
  toip: pure(ofType('ip'), 'value'),
  toarray: pure(toArray, 'value', 'delimiter'),
  pick: pure(pick, 'counter', 'begin', 'end'),
  find: pure(find, 'where', 'what', 'from'),
  serialize: pure(serialize, 'value', 'to', 'options'),
};
