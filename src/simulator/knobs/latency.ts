import { z } from 'zod';

/** Reads; changes of an item; making and growing files, which takes longest on hardware. */
export type CommandClass = 'read' | 'change' | 'allocation';

const timeSchema = z.union([
  z.number().nonnegative(),
  z.strictObject({
    ms: z.number().nonnegative().default(0),
    /** Added at random, from none to this much. */
    jitterMs: z.number().nonnegative().default(0),
  }),
]);

/** Milliseconds of each class; a class that is not named keeps what it has. */
export const latencySchema = z.strictObject({
  read: timeSchema.optional(),
  change: timeSchema.optional(),
  allocation: timeSchema.optional(),
});

export type LatencyRequest = z.input<typeof latencySchema>;

interface Time {
  readonly ms: number;
  readonly jitterMs: number;
}

export type Latency = Readonly<Record<CommandClass, Time>>;

const NONE: Time = { ms: 0, jitterMs: 0 };
export const NO_LATENCY: Latency = { read: NONE, change: NONE, allocation: NONE };

/** Throws if a setting is wrong. */
export function changedLatency(latency: Latency, request: LatencyRequest): Latency {
  const given = latencySchema.parse(request);
  const time = (name: CommandClass): Time => {
    const value = given[name];
    return value === undefined ? latency[name] : typeof value === 'number' ? { ms: value, jitterMs: 0 } : value;
  };
  return { read: time('read'), change: time('change'), allocation: time('allocation') };
}

/** `read=200,change=200+50,allocation=3000+500`; one number alone is for all. Throws if it is neither. */
export function parseLatency(text: string): LatencyRequest {
  const time = (part: string) => {
    const match = /^(\d+)(?:\+(\d+))?$/.exec(part);
    if (!match) throw new Error(`latency ${part} is not milliseconds, e.g. 200 or 200+50`);
    return { ms: Number(match[1]), jitterMs: Number(match[2] ?? 0) };
  };
  if (!text.includes('=')) return { read: time(text), change: time(text), allocation: time(text) };
  const named = text.split(',').map((part) => {
    const [name = '', value = ''] = part.split('=');
    if (name !== 'read' && name !== 'change' && name !== 'allocation')
      throw new Error(`latency class ${name} is not known`);
    return [name, time(value)] as const;
  });
  return Object.fromEntries(named);
}

/** How long a command of a class takes this time. */
export function latencyOf(latency: Latency, commandClass: CommandClass): number {
  const { ms, jitterMs } = latency[commandClass];
  return ms + Math.random() * jitterMs;
}
