import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A server that is asked to stop has so long before it is killed. */
const STOP_LIMIT_MS = 10_000;
const TAIL_LINES = 20;

/**
 * Kills process $1 when standard input ends, that is, when the process that holds the other end dies, however it dies: an
 * embedded server never outlives its owner.
 */
const WATCHDOG = `cat >/dev/null
kill -TERM "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || exit 0; sleep 1; done
kill -KILL "$1" 2>/dev/null`;

export interface ServerProcessOptions {
  readonly executable: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A child process that lives no longer than this one. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #watchdog: ChildProcess | undefined;
  readonly #tail: string[] = [];
  #isStopping = false;
  #end: string | undefined;

  /** Settles when the process has ended, with what a person should know of it. */
  readonly ended: Promise<string>;

  constructor({ executable, args, env }: ServerProcessOptions) {
    // In a process group of its own: Ctrl-C at a terminal reaches the owner alone, which stops its server last.
    const child = spawn(executable, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
    this.#watchdog = child.pid === undefined ? undefined : startWatchdog(child.pid);
    this.ended = new Promise((resolve) => {
      const settle = (how: string) => {
        this.#watchdog?.kill('SIGKILL');
        this.#end ??= [`${executable} ${how}`, ...this.#tail].join('\n  ');
        resolve(this.#end);
      };
      child.once('error', (error) => settle(`could not be started: ${error.message}`));
      child.once('close', (code, signal) => settle(`ended with ${signal ?? `code ${code}`}`));
    });
  }

  /** What `ended` settles with; undefined while the process runs. */
  get end(): string | undefined {
    return this.#end;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether `stop` was called: an end then is no surprise. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Asks it to stop, kills it when it does not, and returns when it has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.ended;
    clearTimeout(killer);
  }

  #keep(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
  }
}

function startWatchdog(pid: number): ChildProcess {
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a shell, or when it is killed first, there is no watchdog: the server is stopped in the ordinary way alone.
  watchdog.once('error', () => {});
  watchdog.stdin?.once('error', () => {});
  watchdog.unref();
  return watchdog;
}
