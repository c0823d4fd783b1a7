import { type ChildProcess, spawn } from 'node:child_process';
import { Fault } from '../../domain/fault';
import type { Logger } from '../../domain/log';
import { formatUntrusted } from '../../domain/text';
import { findPackageOf } from './packages';
import type { Command, CommandResult, ProcessLanesPort } from './port';

/** Most that a program may print on both streams together. */
const MOST_OUTPUT_BYTES = 1024 * 1024;
/** How long one that was killed has to be gone before it counts as hanging in the kernel. */
const KILLED_WAIT_MS = 250;
/** How long its streams may stay open after it has ended: something that it started may hold them. */
const STREAMS_WAIT_MS = 500;

/** How a program ended. */
type Ending =
  | { readonly kind: 'ended'; readonly exitCode: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly code: string; readonly message: string }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'timed-out'; readonly hanging: boolean };

interface ProcessesOptions {
  readonly logger?: Logger | undefined;
  /** Where programs are looked for; undefined: the PATH of this process. */
  readonly path?: string | undefined;
}

/** Runs programs of this machine: no shell, no input, messages in English, each in a process group of its own. */
export function createProcesses({ logger, path }: ProcessesOptions = {}): ProcessLanesPort {
  const hanging: Hanging = new Map();
  const requireFree = (lane: string): void => {
    const [child] = hanging.get(lane) ?? [];
    if (child) throw new Fault('NodeTimeout', `${child.spawnfile}[${child.pid}] still hangs in the kernel: ${lane}`);
  };
  return {
    requireFree,
    async run(command) {
      const { file, args, lane } = command;
      const lanes = lane === undefined ? [] : [lane].flat();
      lanes.forEach(requireFree);
      const startedMs = performance.now();
      const child = spawn(file, args, {
        cwd: '/',
        detached: true,
        env: { PATH: path ?? process.env['PATH'], LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const output = new Output(child);
      const ending = await endOf(child, output, command.limitMs);
      const durationMs = Math.round(performance.now() - startedMs);
      logger?.debug({ file, args, durationMs, ending }, `${file}: ${ending.kind}`);
      if (ending.kind === 'timed-out' && ending.hanging) {
        logger?.warn({ file, args, pid: child.pid }, `${file} hangs in the kernel and is left behind`);
        for (const each of lanes) leaveBehind(child, each, hanging);
      }
      return resultOf(command, ending, output);
    },
  };
}

/** What hangs in the kernel, by its lane: several at a time may have begun in one before the first of them hung. */
type Hanging = Map<string, Set<ChildProcess>>;

/** The end of the last one clears the lane; nothing waits for it, not even the end of this process. */
function leaveBehind(child: ChildProcess, lane: string, hanging: Hanging): void {
  const inLane = hanging.get(lane) ?? new Set();
  hanging.set(lane, inLane.add(child));
  child.once('exit', () => {
    inLane.delete(child);
    if (inLane.size === 0) hanging.delete(lane);
  });
}

/** Resolves when the program has ended, or when no more can be done to end it. Never rejects. */
function endOf(child: ChildProcess, output: Output, limitMs: number): Promise<Ending> {
  return new Promise((resolve) => {
    let killedFor: 'too-long' | 'timed-out' | undefined;
    let last: NodeJS.Timeout | undefined;
    const finish = (ending: Ending): void => {
      clearTimeout(limit);
      clearTimeout(last);
      output.close();
      child.unref();
      resolve(ending);
    };
    const kill = (reason: 'too-long' | 'timed-out'): void => {
      if (killedFor !== undefined || child.exitCode !== null || child.signalCode !== null) return;
      killedFor = reason;
      killGroup(child);
      last = setTimeout(() => finish({ kind: 'timed-out', hanging: true }), KILLED_WAIT_MS);
    };
    const limit = setTimeout(() => kill('timed-out'), limitMs);
    output.onTooLong(() => kill('too-long'));
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) finish({ kind: 'not-started', code: error.code ?? '', message: error.message });
    });
    child.once('exit', (exitCode, signal) => {
      clearTimeout(last);
      const end = (): void => finish(endingOf({ killedFor, exitCode, signal, isTooLong: output.isTooLong }));
      // Not before what it has printed was looked for once more: the wait may have passed while this process was busy, or stood still.
      last = setTimeout(() => setImmediate(end), STREAMS_WAIT_MS);
      child.once('close', end);
    });
  });
}

function endingOf(end: {
  readonly killedFor: 'too-long' | 'timed-out' | undefined;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly isTooLong: boolean;
}): Ending {
  if (end.killedFor === 'timed-out') return { kind: 'timed-out', hanging: false };
  if (end.killedFor === 'too-long' || end.isTooLong) return { kind: 'too-long' };
  if (end.exitCode === null) return { kind: 'signalled', signal: end.signal ?? 'a signal' };
  return { kind: 'ended', exitCode: end.exitCode };
}

/** All of the group: what the program has started as well. Only while it has not ended, so that its number is surely its own. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Ended this very moment.
  }
}

function resultOf({ file, limitMs }: Command, ending: Ending, output: Output): CommandResult {
  if (ending.kind === 'ended') {
    return { exitCode: ending.exitCode, stdout: output.stdout(), stderr: output.stderr() };
  }
  if (ending.kind === 'not-started') throw notStarted(file, ending);
  if (ending.kind === 'too-long') {
    throw new Fault('NodeToolFailed', `${file} printed more than ${MOST_OUTPUT_BYTES} bytes`);
  }
  if (ending.kind === 'signalled') {
    throw new Fault('NodeToolCrashed', `${file} was ended by ${ending.signal}${saying(output)}`);
  }
  const hangs = ending.hanging ? ', and hangs in the kernel' : '';
  throw new Fault('NodeTimeout', `${file} did not end within ${limitMs / 1_000} s${hangs}${saying(output)}`);
}

function saying(output: Output): string {
  const words = output.stderr().trim();
  return words === '' ? '' : `; it said ${formatUntrusted(words)}`;
}

function notStarted(file: string, { code, message }: { readonly code: string; readonly message: string }): Fault {
  if (code !== 'ENOENT') return new Fault('NodeToolFailed', `${file} could not be started: ${message}`);
  const name = findPackageOf(file);
  const where = name === undefined ? '' : `; Debian has it in the package ${name}`;
  return new Fault('NodeToolMissing', `${file} is not installed on this node${where}`);
}

/** What a program prints, up to the limit. */
class Output {
  private readonly chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  private bytes = 0;
  private tooLong: () => void = () => undefined;

  constructor(private readonly child: ChildProcess) {
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (chunk: Buffer) => this.keep(stream, chunk));
      child[stream]?.on('error', () => undefined);
    }
  }

  get isTooLong(): boolean {
    return this.bytes > MOST_OUTPUT_BYTES;
  }

  onTooLong(act: () => void): void {
    this.tooLong = act;
  }

  stdout(): string {
    return Buffer.concat(this.chunks.stdout).toString('utf8');
  }

  stderr(): string {
    return Buffer.concat(this.chunks.stderr).toString('utf8');
  }

  /** Lets go of the streams, whoever still holds the other end. */
  close(): void {
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  private keep(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.isTooLong) this.tooLong();
    else this.chunks[stream].push(chunk);
  }
}
