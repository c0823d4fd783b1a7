/** How a parameter of a language command is written. */
export type ParameterKind = 'value' | 'block' | 'names' | 'target';

export interface CommandForm {
  /** In the order in which they may be given without a name. */
  readonly positional: readonly (readonly [string, ParameterKind])[];
  readonly named: Readonly<Record<string, ParameterKind>>;
  readonly required: readonly string[];
}

const values = (names: string, required: readonly string[] = [names.split(' ')[0] ?? '']): CommandForm => ({
  positional: names.split(' ').map((name) => [name, 'value'] as const),
  named: Object.fromEntries(names.split(' ').map((name) => [name, 'value' as const])),
  required,
});

const variable = (required: readonly string[]): CommandForm => ({
  positional: [
    ['name', 'names'],
    ['value', 'value'],
  ],
  named: { do: 'block', value: 'value' },
  required,
});

/** The language's own commands that are simulated (scripting manual, "Global commands"). */
export const LANGUAGE: Readonly<Record<string, CommandForm>> = {
  local: variable(['name']),
  global: variable(['name']),
  set: {
    positional: [
      ['name', 'target'],
      ['value', 'value'],
    ],
    named: { value: 'value', do: 'block' },
    required: ['name'],
  },
  put: values('message'),
  error: values('message'),
  return: values('value'),
  len: values('value'),
  typeof: values('value'),
  tostr: values('value'),
  tonum: values('value'),
  tobool: values('value'),
  toid: values('value'),
  toip: values('value'),
  totime: values('value'),
  toarray: { ...values('value'), named: { value: 'value', delimiter: 'value' } },
  pick: values('counter begin end', ['counter', 'begin']),
  find: values('where what from', ['where', 'what']),
  delay: values('delay-time'),
  log: {
    positional: [
      ['topics', 'value'],
      ['message', 'value'],
    ],
    named: { topics: 'value', message: 'value' },
    required: ['topics', 'message'],
  },
  nothing: { positional: [], named: {}, required: [] },
  quit: { positional: [], named: {}, required: [] },
  timestamp: { positional: [], named: {}, required: [] },
  serialize: {
    positional: [['value', 'value']],
    named: { value: 'value', to: 'value', options: 'value' },
    required: ['value', 'to'],
  },
  if: {
    positional: [['condition', 'value']],
    named: { condition: 'value', do: 'block', else: 'block' },
    required: ['condition'],
  },
  while: {
    positional: [['condition', 'value']],
    named: { condition: 'value', do: 'block' },
    required: ['condition', 'do'],
  },
  do: {
    positional: [['command', 'block']],
    named: { command: 'block', while: 'value', 'on-error': 'block' },
    required: ['command'],
  },
  for: {
    positional: [['counter', 'names']],
    named: { from: 'value', to: 'value', step: 'value', do: 'block' },
    required: ['counter', 'from', 'to', 'do'],
  },
  foreach: {
    positional: [['counter', 'names']],
    named: { in: 'value', do: 'block' },
    required: ['counter', 'in', 'do'],
  },
  onerror: {
    positional: [
      ['name', 'names'],
      ['in', 'block'],
    ],
    named: { in: 'block', do: 'block' },
    required: ['name', 'in'],
  },
  retry: {
    positional: [['command', 'block']],
    named: { command: 'block', delay: 'value', max: 'value', 'on-error': 'block' },
    required: ['command', 'max'],
  },
};
