import { setTimeout as delay } from 'node:timers/promises';
import { utils } from 'ssh2';
import { Fault, type FaultKind } from '../../domain/fault';
import type { Logger } from '../../domain/log';
import type { ScriptOutput } from '../../domain/routeros/json-line';
import { createTurns, type Turns } from '../turns';
import { type ConnectionEvent, ConnectionKeeper } from './connection-keeper';
import { createHostKeyCheck, type HostKeySource } from './host-key';
import type { ArrayConnection } from './port';
import { openConnection, type SshConnection, type SshCredentials } from './ssh-connection';
import type { RunLimits, RunOutcome } from './ssh-exec';

/** The limits of a session; all times in milliseconds. */
export interface SshSessionLimits {
  /** Scripts that run at a time. */
  readonly execsAtOnce: number;
  /** Longest that a script waits until it is sent, the connection's set-up included. */
  readonly queueLimitMs: number;
  /** Longest that a read is waited for, and a change whose connection is lost, from the moment it is sent. */
  readonly execLimitMs: number;
  /** Longest that a change is waited for while its connection is alive, from the moment it is sent. At least `execLimitMs`. */
  readonly changeLimitMs: number;
  readonly connectLimitMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  readonly reconnectInitialMs: number;
  readonly reconnectMaximumMs: number;
  /** Most that a script may print, in bytes. */
  readonly mostOutputBytes: number;
}

export const SSH_SESSION_LIMITS: SshSessionLimits = {
  execsAtOnce: 4,
  queueLimitMs: 8_000,
  execLimitMs: 20_000,
  changeLimitMs: 120_000,
  connectLimitMs: 5_000,
  keepaliveIntervalMs: 5_000,
  keepaliveCount: 2,
  reconnectInitialMs: 1_000,
  reconnectMaximumMs: 16_000,
  mostOutputBytes: 16 * 1024 * 1024,
};

const STOPPING = 'the driver is stopping';

export interface SshSessionOptions {
  readonly host: string;
  readonly port: number;
  readonly credentials: SshCredentials;
  readonly hostKey: HostKeySource;
  /** Those that are not named are as in SSH_SESSION_LIMITS. */
  readonly limits?: Partial<SshSessionLimits>;
  readonly logger: Logger;
  readonly onEvent?: (event: ConnectionEvent) => void;
}

export interface ExecOptions {
  /** Whether the script may change anything on the RDS. */
  readonly effect: 'read' | 'change';
  /** Ends the wait for a turn, and that for the answer to a read; never that for a change which was sent. */
  readonly signal?: AbortSignal | undefined;
}

/** Throws InvalidArgument if the private key or the pinned host key cannot be read, or there is nothing to log in with. */
export function createSshSession(options: SshSessionOptions): SshSession {
  const { host, port, credentials, logger } = options;
  const limits = { ...SSH_SESSION_LIMITS, ...options.limits };
  requireCredentials(credentials);
  const hostKeyCheck = createHostKeyCheck(options.hostKey, { host, port });
  const keeper = new ConnectionKeeper({
    ...limits,
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    open: () => openConnection({ ...limits, host, port, credentials, hostKey: hostKeyCheck() }),
    logger,
    onEvent: options.onEvent ?? (() => undefined),
  });
  return new SshSession(keeper, limits);
}

/** One SSH connection to the RDS, shared by all. */
export class SshSession implements ArrayConnection {
  readonly #keeper: ConnectionKeeper;
  readonly #limits: SshSessionLimits;
  readonly #turns: Turns;
  readonly #underWay = new Set<Promise<ScriptOutput>>();
  readonly #stopping = new AbortController();

  constructor(keeper: ConnectionKeeper, limits: SshSessionLimits) {
    this.#keeper = keeper;
    this.#limits = limits;
    this.#turns = createTurns(limits.execsAtOnce);
  }

  get address(): string {
    return this.#keeper.address;
  }

  get state(): ArrayConnection['state'] {
    return this.#keeper.state;
  }

  /** Begins to connect, in the background, and keeps connected until `stop`. */
  start(): void {
    this.#keeper.start();
  }

  /** Sends nothing more; ends when what was sent is over, at most one limit of a change later. */
  async stop(): Promise<void> {
    this.#keeper.stop(STOPPING);
    this.#stopping.abort();
    await Promise.allSettled(this.#underWay);
  }

  /**
   * Runs a script and returns what it printed. Throws ArrayUnreachable (nothing was sent), ArrayNoAnswer (sent, end not seen),
   * ArrayUnreadable (it printed too much).
   */
  exec(script: string, options: ExecOptions): Promise<ScriptOutput> {
    const run = this.#exec(script, options);
    const forget = (): void => void this.#underWay.delete(run);
    this.#underWay.add(run);
    run.then(forget, forget);
    return run;
  }

  async #exec(script: string, { effect, signal }: ExecOptions): Promise<ScriptOutput> {
    const { execLimitMs, changeLimitMs, mostOutputBytes } = this.#limits;
    const { connection, giveBack } = await this.#takeLine(signal);
    const sentMs = performance.now();
    // RouterOS goes on with a change for as long as it takes, whether it is waited for or not. Whoever waits here holds the
    // volume's lock, and must not let go of it before that script is over: only a dead connection ends the wait earlier.
    const limitMs = effect === 'change' ? changeLimitMs : execLimitMs;
    const limits = { limitMs, mostOutputBytes, signal: effect === 'read' ? signal : undefined };
    const outcome = await connection.run(script, limits).finally(giveBack);
    // Nothing that comes over a connection which has swallowed a script can be trusted to come in time.
    if (outcome.kind === 'timed-out') connection.retire(`a script was not over within ${limitMs} ms`);
    // A script whose connection is gone cannot be seen to end: its usual limit is what there is left to wait for.
    if (outcome.kind === 'lost' && effect === 'change') {
      await delay(Math.max(0, execLimitMs - (performance.now() - sentMs)));
    }
    return outputOf(outcome, this.address, { limitMs, mostOutputBytes });
  }

  /** A usable connection, and a turn on it. Throws ArrayUnreachable. */
  async #takeLine(
    signal: AbortSignal | undefined,
  ): Promise<{ readonly connection: SshConnection; readonly giveBack: () => void }> {
    const wait = waitUpTo(this.#limits.queueLimitMs, [this.#stopping.signal, signal]);
    try {
      while (true) {
        const connection = await this.#keeper.get(wait.signal);
        const giveBack = await this.#turns.take(wait.signal);
        if (connection.usable) return { connection, giveBack };
        giveBack();
      }
    } catch (error) {
      throw this.#notSent(error, signal);
    } finally {
      wait.end();
    }
  }

  /** A fault of the connection is told as it is; else it was the wait for a turn that ended. */
  #notSent(error: unknown, signal: AbortSignal | undefined): Fault {
    const unreachable = (why: string) => new Fault('ArrayUnreachable', `RDS ${this.address} ${why}; nothing was sent`);
    if (signal?.aborted) return unreachable('was not asked: cancelled');
    if (this.#stopping.signal.aborted) return unreachable(`was not asked: ${STOPPING}`);
    if (error instanceof Fault) return error;
    const { execsAtOnce, queueLimitMs } = this.#limits;
    return unreachable(`is busy: ${execsAtOnce} scripts are running and none ended within ${queueLimitMs} ms`);
  }
}

type Limits = Pick<RunLimits, 'limitMs' | 'mostOutputBytes'>;

function outputOf(outcome: RunOutcome, address: string, limits: Limits): ScriptOutput {
  if (outcome.kind === 'answered') return outcome.output;
  throw faultOf(outcome, `RDS ${address}`, limits);
}

function faultOf(
  outcome: Exclude<RunOutcome, { readonly kind: 'answered' }>,
  rds: string,
  { limitMs, mostOutputBytes }: Limits,
): Fault {
  const faults = {
    'too-long': ['ArrayUnreadable', `printed more than ${mostOutputBytes} bytes`],
    'not-sent': ['ArrayUnreachable', 'did not take the script'],
    lost: ['ArrayNoAnswer', 'did not answer a script that was sent'],
    'timed-out': ['ArrayNoAnswer', `did not answer a script that was sent within ${limitMs} ms`],
    aborted: ['ArrayNoAnswer', 'was asked and its answer not waited for: cancelled'],
  } as const satisfies Record<typeof outcome.kind, readonly [FaultKind, string]>;
  const [kind, what] = faults[outcome.kind];
  return new Fault(kind, `${rds} ${what}${'reason' in outcome ? `: ${outcome.reason}` : ''}`);
}

/** A signal that comes after `limitMs`, or with the first of the others; `end` lets go of all of them. */
function waitUpTo(limitMs: number, signals: readonly (AbortSignal | undefined)[]) {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, limitMs);
  for (const signal of signals) {
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
  }
  const end = (): void => {
    clearTimeout(timer);
    for (const signal of signals) signal?.removeEventListener('abort', abort);
  };
  return { signal: controller.signal, end };
}

function requireCredentials({ password, privateKey, passphrase }: SshCredentials): void {
  if (privateKey === undefined) {
    if (password === undefined) throw new Fault('InvalidArgument', 'RDS login: neither a private key nor a password');
    return;
  }
  const key = utils.parseKey(privateKey, passphrase);
  // ssh2 tells what is wrong with the form alone: nothing of the key or the passphrase is in it.
  if (key instanceof Error) throw new Fault('InvalidArgument', `RDS private key: ${key.message}`);
  if (!key.isPrivateKey()) throw new Fault('InvalidArgument', 'RDS private key: this is a public key');
}
