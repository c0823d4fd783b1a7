import { z } from 'zod';

const fields = {
  /** Regular expression over the whole script of an exec. */
  pattern: z.string().default(''),
  /** Regular expression over one command as the log writes it, e.g. `^/disk/add .*slot="pvc-`: the fault is at that command. */
  command: z.string().optional(),
  /** The first hit that fails, counted from 1. */
  nth: z.number().int().positive().default(1),
  /** How many hits fail from then on; 0: all. */
  times: z.number().int().nonnegative().default(1),
  /** Whether what was hit has taken effect. */
  when: z.enum(['before', 'after']).default('before'),
  /** What the caller sees: an error in RouterOS's words, a reset connection, half a reply, rubbish, or nothing for ever. */
  mode: z.enum(['error', 'reset', 'truncate', 'garbage', 'hang']),
  /** The words of `error`. */
  text: z.string().default('failure: simulated failure'),
};

const regular = (text: string | undefined) => {
  try {
    return text === undefined || new RegExp(text, 's') instanceof RegExp;
  } catch {
    return false;
  }
};

/** How a fault is asked for. */
export const faultSchema = z
  .strictObject(fields)
  .refine(({ pattern }) => regular(pattern), { path: ['pattern'], error: 'not a regular expression' })
  .refine(({ command }) => regular(command), { path: ['command'], error: 'not a regular expression' });

export type FaultRequest = z.input<typeof faultSchema>;
export type FaultSettings = z.output<typeof faultSchema>;

export interface FaultState extends FaultSettings {
  readonly id: number;
  /** Scripts or commands that it matched. */
  readonly hits: number;
  /** How many of them it made fail. */
  readonly fired: number;
}

interface Entry {
  readonly settings: FaultSettings;
  readonly pattern: RegExp;
  readonly command: RegExp | undefined;
  readonly id: number;
  hits: number;
  fired: number;
}

/** Failures to come. */
export class Faults {
  private entries: Entry[] = [];
  private nextId = 1;

  /** Throws if a setting is wrong. Returns the number by which it can be taken back. */
  add(request: FaultRequest): number {
    const { data: settings, error } = faultSchema.safeParse(request);
    if (error) throw new Error(`not a fault: ${z.prettifyError(error)}`);
    const id = this.nextId++;
    const command = settings.command === undefined ? undefined : new RegExp(settings.command, 's');
    this.entries.push({ id, settings, pattern: new RegExp(settings.pattern, 's'), command, hits: 0, fired: 0 });
    return id;
  }

  /** Whether there was one of that number. */
  remove(id: number): boolean {
    const before = this.entries.length;
    this.entries = this.entries.filter((entry) => entry.id !== id);
    return this.entries.length < before;
  }

  clear(): void {
    this.entries = [];
  }

  list(): readonly FaultState[] {
    return this.entries.map(({ id, settings, hits, fired }) => ({ ...settings, id, hits, fired }));
  }

  /** The fault that this script meets as a whole; counts a hit for all that match. */
  ofScript(script: string): FaultSettings | undefined {
    return this.firing((entry) => !entry.command && entry.pattern.test(script));
  }

  /** The fault that this command of this script meets. */
  ofCommand(script: string, command: string): FaultSettings | undefined {
    return this.firing((entry) => entry.command?.test(command) === true && entry.pattern.test(script));
  }

  private firing(matches: (entry: Entry) => boolean): FaultSettings | undefined {
    let found: FaultSettings | undefined;
    for (const entry of this.entries.filter(matches)) {
      entry.hits += 1;
      const { nth, times } = entry.settings;
      const fires = entry.hits >= nth && (times === 0 || entry.hits < nth + times);
      if (!fires || found) continue;
      entry.fired += 1;
      found = entry.settings;
    }
    return found;
  }
}
