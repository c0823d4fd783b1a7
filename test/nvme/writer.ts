import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from '@jest/globals';
import { waitFor } from '../kit/driver';

const PROGRESS_LIMIT_MS = 120_000;

/** A program that was started, in this guest or in another. */
export interface Running {
  /** What it has said on standard output so far. */
  readonly lines: readonly string[];
  /** What it has said on standard error so far. */
  words(): string;
  isOver(): boolean;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  endInput(): void;
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

export type Start = (file: string, args: readonly string[]) => Running;

/** What a writer has put on the disk. */
export interface Written {
  readonly file: string;
  readonly seed: string;
  readonly sizeBytes: number;
  readonly count: number;
}

/** A workload on a volume: writes that went to the disk, numbered, and how long each of them took. */
export interface Writer {
  /** Writes that were acknowledged. */
  count(): number;
  /** Milliseconds of the longest write since write number `from`. */
  longestMs(from?: number): number;
  /** Until so many more writes are acknowledged. */
  more(count: number): Promise<void>;
  /** Ends it, and is content only if no write has failed. */
  end(): Promise<void>;
  /** As a node that dies does. */
  kill(): Promise<void>;
  /** Reads from the disk, and is content only if every acknowledged write is there, whole, where it belongs. */
  verify(file?: string): Promise<void>;
  /** What is acknowledged by now. */
  written(): Written;
}

interface WriterOptions {
  readonly file: string;
  /** It goes round within so much. */
  readonly sizeBytes: number;
  /** Between two writes: the guest's processor is wanted for other things too. */
  readonly pauseMs?: number;
  /** Where it runs: here, unless said otherwise. */
  readonly start?: Start;
}

/** Starts it; resolves when the first write is acknowledged. */
export async function startWriter({
  file,
  sizeBytes,
  pauseMs = 20,
  start = startHere,
}: WriterOptions): Promise<Writer> {
  const seed = randomUUID();
  const program = path.join(__dirname, 'workload.mjs');
  const running = start(process.execPath, [program, file, `${sizeBytes}`, seed, `${pauseMs}`]);
  const count = () => running.lines.length;
  const written = (): Written => ({ file, seed, sizeBytes, count: count() });
  const more = async (howMany: number): Promise<void> => {
    const target = count() + howMany;
    const status = () => `the writer is at ${count()}, not ${target}: ${running.words()}`;
    await waitFor(() => count() >= target || running.isOver(), status, PROGRESS_LIMIT_MS);
    if (count() < target) throw new Error(status());
  };
  await more(1);
  return {
    more,
    count,
    written,
    longestMs: (from = 0) => Math.max(0, ...running.lines.slice(from).map((line) => Number(line.split(' ')[1]))),
    async end() {
      running.endInput();
      expect({ ended: await running.ended, words: running.words() }).toEqual({ ended: 0, words: '' });
    },
    async kill() {
      running.signal('SIGKILL');
      await running.ended;
    },
    async verify(place = file) {
      // The writer's own: two programs with two ideas of a block would prove nothing.
      const { findWrong } = await import('./blocks.mjs');
      expect(await findWrong({ ...written(), file: place })).toEqual([]);
    },
  };
}

function startHere(file: string, args: readonly string[]): Running {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    lines,
    words: () => words,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal))),
    endInput: () => child.stdin.end(),
    signal: (name) => child.kill(name),
  };
}
