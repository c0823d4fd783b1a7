import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from '@jest/globals';
import { waitFor } from '../kit/driver';

const PROGRESS_LIMIT_MS = 120_000;

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
}

interface WriterOptions {
  readonly file: string;
  /** It goes round within so much. */
  readonly sizeBytes: number;
  /** Between two writes: the guest's processor is wanted for other things too. */
  readonly pauseMs?: number;
}

/** Starts it; resolves when the first write is acknowledged. */
export async function startWriter({ file, sizeBytes, pauseMs = 20 }: WriterOptions): Promise<Writer> {
  const seed = randomUUID();
  const durationsMs: number[] = [];
  const program = path.join(__dirname, 'workload.mjs');
  const child = spawn(process.execPath, [program, file, `${sizeBytes}`, seed, `${pauseMs}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
  createInterface({ input: child.stdout }).on('line', (line) => durationsMs.push(Number(line.split(' ')[1])));
  const ended = endOf(child);
  const more = async (count: number): Promise<void> => {
    const target = durationsMs.length + count;
    const isOver = () => child.exitCode !== null || child.signalCode !== null;
    const status = () => `the writer is at ${durationsMs.length}, not ${target}: ${words}`;
    await waitFor(() => durationsMs.length >= target || isOver(), status, PROGRESS_LIMIT_MS);
    if (durationsMs.length < target) throw new Error(status());
  };
  await more(1);
  return {
    more,
    count: () => durationsMs.length,
    longestMs: (from = 0) => Math.max(0, ...durationsMs.slice(from)),
    async end() {
      child.stdin.end();
      expect({ ended: await ended, words }).toEqual({ ended: 0, words: '' });
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    verify: (place = file) => verify(place, { seed, sizeBytes, count: durationsMs.length }),
  };
}

async function endOf(child: ChildProcess): Promise<number | string | null> {
  return await new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
}

interface Written {
  readonly seed: string;
  readonly sizeBytes: number;
  readonly count: number;
}

async function verify(file: string, { seed, sizeBytes, count }: Written): Promise<void> {
  // The writer's own: two programs with two ideas of a block would prove nothing.
  const { BLOCK_BYTES, blockOf } = await import('./blocks.mjs');
  const blocks = Math.floor(sizeBytes / BLOCK_BYTES);
  const handle = await open(file, constants.O_RDONLY | constants.O_DIRECT);
  const wrong: string[] = [];
  try {
    for (let number = Math.max(0, count - blocks); number < count; number += 1) {
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(BLOCK_BYTES),
        0,
        BLOCK_BYTES,
        (number % blocks) * BLOCK_BYTES,
      );
      // One that was under way when the writer was killed may have replaced the oldest.
      const isUnderWay = number + blocks === count && buffer.equals(blockOf(seed, count));
      if (bytesRead !== BLOCK_BYTES || !(buffer.equals(blockOf(seed, number)) || isUnderWay)) wrong.push(`${number}`);
    }
  } finally {
    await handle.close();
  }
  expect(wrong).toEqual([]);
}
