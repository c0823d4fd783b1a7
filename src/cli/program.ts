import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** The command itself, as it was built: `dist/src/cli/main.js`. */
export const MAIN = path.resolve(__dirname, 'main.js');

/** After this long a program that was asked to end is killed, in milliseconds. */
const STOP_LIMIT_MS = 30_000;

interface ProgramOptions {
  /** The built command; another one in tests that do not run from the build. */
  readonly main?: string;
  /** Subcommand and flags. */
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Takes both output streams, line by line. */
  readonly logFile: string;
}

/** A process of this program, as a user starts it. */
export interface Program {
  readonly pid: number;
  /** Exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** The first line of standard output that `matches` accepts; rejects when the program ends before. */
  line(matches: (line: string) => boolean): Promise<string>;
  /** SIGTERM, and SIGKILL if it does not end in time. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>;
}

/** Starts a process of this program. It does not outlive this one's SIGTERM handler, but may outlive its SIGKILL. */
export function startProgram({ main = MAIN, args, env, logFile }: ProgramOptions): Program {
  const child = spawn(process.execPath, [main, ...args], {
    env: env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stderr.pipe(log, { end: false });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    log.write(`${line}\n`);
  });
  const ended = endOf(child);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(killer);
  };
  return {
    pid: child.pid ?? -1,
    ended,
    async line(matches) {
      for (;;) {
        const found = lines.find(matches);
        if (found !== undefined) return found;
        const over = await Promise.race([once(reader, 'line').then(() => undefined), ended]);
        if (over !== undefined) throw new Error(`${args[0]} ended (${over}); its log is ${logFile}`);
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

async function endOf(child: ChildProcess): Promise<number | string> {
  return await new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    child.once('error', (error) => resolve(error.message));
  });
}
