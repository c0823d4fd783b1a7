import { setTimeout as delay } from 'node:timers/promises';
import type { CommandLog, LoggedCommand, LoggedScript } from './knobs/command-log';
import type { FaultSettings, Faults } from './knobs/faults';
import { type CommandClass, type Latency, latencyOf } from './knobs/latency';
import type { ConsoleState, MenuEngine } from './menus/engine';
import { argumentText } from './script/arguments';
import { toByteString, toText } from './script/bytes';
import { Halt, ParseError, Refusal, ScriptError } from './script/errors';
import { runScript } from './script/interpreter';
import { parseScript, type Script } from './script/parser';
import type { Box, Machine, MenuCall, Outcome } from './script/runtime';
import type { DiskArray } from './state/array';
import { unreachable } from './unreachable';

/** What all consoles of a simulator share. */
export interface ConsoleParts {
  readonly array: DiskArray;
  readonly engine: MenuEngine;
  readonly faults: Faults;
  readonly commandLog: CommandLog;
  readonly latency: () => Latency;
}

/** What becomes of a script: text for the caller, or a fault of the connection. `quit`: the person wants to leave. */
export type Reply =
  | { readonly kind: 'text'; readonly text: string; readonly quit: boolean }
  | { readonly kind: 'reset' }
  | { readonly kind: 'hang' };

const GARBAGE = '\x00\xff\xfe{"disk":[{"slot":"pvc-\r\n%$!';

function classOf({ command, menu, named }: MenuCall): CommandClass {
  if (['print', 'find', 'get', 'read'].includes(command)) return 'read';
  const allocates = menu === '/disk' && (command === 'add' || named.has('file-size'));
  return allocates ? 'allocation' : 'change';
}

function logged(call: MenuCall): LoggedCommand {
  const written = [...call.named].map(([name, value]) => ({ name, value: toText(argumentText(value)) }));
  const positional = call.positional.map((value) => toText(argumentText(value)));
  const flags = [...call.flags];
  const words = [
    `${call.menu}/${call.command}`,
    ...positional,
    ...flags,
    ...written.map(({ name, value }) => `${name}="${value}"`),
    ...call.taken.map((name) => `!${name}`),
    ...(call.reads.length > 0 ? [`reads ${call.reads.join(',')}`] : []),
  ];
  const taken = call.taken.map((name) => ({ name, value: '' }));
  const base = { menu: call.menu, command: call.command, arguments: [...written, ...taken], positional, flags };
  return { ...base, properties: call.reads, line: call.line, text: words.join(' ') };
}

/** One run of one script. */
class Run implements Machine {
  output = '';
  fault: FaultSettings | undefined;
  private waitedMs = 0;

  constructor(
    private readonly parts: ConsoleParts,
    private readonly entry: LoggedScript,
    private readonly console: {
      readonly state: ConsoleState;
      readonly globals: Map<string, Box>;
      readonly power: AbortSignal;
    },
  ) {}

  get globals(): Map<string, Box> {
    return this.console.globals;
  }

  write(text: string): void {
    this.output += text;
  }

  log(topics: string, message: string): void {
    this.parts.array.write(topics, message);
  }

  checkPower(): void {
    if (this.console.power.aborted) throw new Halt('power');
  }

  async wait(ms: number): Promise<void> {
    if (ms > 0) await delay(ms, undefined, { signal: this.console.power }).catch(() => undefined);
    this.checkPower();
  }

  async run(call: MenuCall): Promise<Outcome> {
    const command = logged(call);
    this.entry.commands.push(command);
    const fault = this.parts.faults.ofCommand(this.entry.script, command.text);
    if (fault?.when === 'before') this.meet(fault, command);
    await this.delayFor(classOf(call));
    try {
      const outcome = await this.parts.engine.run(call, this.console.state);
      if (fault) this.meet(fault, command);
      return outcome;
    } catch (error) {
      if (error instanceof Refusal) command.error = error.message;
      throw error;
    }
  }

  /** The script takes as long as its slowest command: most of the time is the connection's. */
  private async delayFor(commandClass: CommandClass): Promise<void> {
    const ms = latencyOf(this.parts.latency(), commandClass) - this.waitedMs;
    if (ms <= 0) return;
    this.waitedMs += ms;
    await this.wait(ms);
  }

  /** An error is one for the script; half a reply and rubbish come when it has ended; all else ends it here. */
  private meet(fault: FaultSettings, command: LoggedCommand): void {
    command.error = `fault: ${fault.mode}`;
    this.entry.fault = `${fault.mode} ${fault.when} ${command.text}`;
    if (fault.mode === 'error') throw new Refusal(toByteString(fault.text));
    this.fault = fault;
    if (fault.when === 'before' || fault.mode === 'reset' || fault.mode === 'hang') throw new Halt('fault');
  }
}

export interface ConsoleOptions {
  readonly user: string;
  readonly kind: LoggedScript['kind'];
  readonly globals: Map<string, Box>;
  /** Aborted when the power goes off. */
  readonly power: AbortSignal;
}

/** A session of a user: a menu, numbers of what was listed, and the user's globals. */
export class Console {
  menu = '';
  width: number | undefined;
  private readonly listings = new Map<string, readonly string[]>();

  constructor(
    private readonly parts: ConsoleParts,
    private readonly options: ConsoleOptions,
  ) {}

  get prompt(): string {
    return `[${this.options.user}@${toText(this.parts.array.identity)}] ${this.menu}> `;
  }

  /** Whether the text is a script of which only the end is missing. */
  isIncomplete(script: string): boolean {
    try {
      parseScript(toByteString(script), { menu: this.menu, declared: this.options.globals.keys() });
      return false;
    } catch (error) {
      return error instanceof ParseError && error.incomplete;
    }
  }

  async execute(script: string): Promise<Reply> {
    const entry = this.parts.commandLog.begin(this.options.user, this.options.kind, script);
    const reply = await this.reply(script, entry);
    entry.endedAt = new Date().toISOString();
    if (reply.kind === 'text') entry.output = toText(reply.text);
    return reply;
  }

  private async reply(script: string, entry: LoggedScript): Promise<Reply> {
    const fault = this.parts.faults.ofScript(script);
    if (fault) entry.fault = `${fault.mode} ${fault.when} the script`;
    if (fault?.when === 'before') return faulty(fault, '');
    const run = new Run(this.parts, entry, {
      state: { listings: this.listings, width: this.width },
      globals: this.options.globals,
      power: this.options.power,
    });
    const end = await this.run(script, run);
    if (end.error !== undefined) entry.error = toText(end.error);
    if (end.by === 'power') return { kind: 'reset' };
    const met = run.fault ?? fault;
    return met ? faulty(met, run.output) : { kind: 'text', text: run.output, quit: end.by === 'quit' };
  }

  private async run(script: string, run: Run): Promise<{ readonly error?: string; readonly by?: Halt['by'] }> {
    try {
      const parsed: Script = parseScript(toByteString(script), {
        menu: this.menu,
        declared: this.options.globals.keys(),
      });
      this.menu = parsed.menu;
      await runScript(parsed.body, run);
      return {};
    } catch (error) {
      if (error instanceof Halt) return { by: error.by };
      if (!(error instanceof ParseError || error instanceof ScriptError))
        this.parts.array.write('system,error', String(error));
      const message = error instanceof Error ? error.message : String(error);
      run.write(`${message}\r\n`);
      return { error: message };
    }
  }
}

function faulty(fault: FaultSettings, output: string): Reply {
  const text = (shown: string): Reply => ({ kind: 'text', text: shown, quit: false });
  switch (fault.mode) {
    case 'error':
      return text(`${toByteString(fault.text)}\r\n`);
    case 'truncate':
      return text(output.slice(0, Math.floor(output.length / 2)));
    case 'garbage':
      return text(GARBAGE);
    case 'reset':
    case 'hang':
      return { kind: fault.mode };
  }
  return unreachable(fault.mode);
}
