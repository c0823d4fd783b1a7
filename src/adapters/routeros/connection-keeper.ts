import { Fault } from '../../domain/fault';
import type { Logger } from '../../domain/log';
import type { ArrayConnection } from './port';
import type { ConnectOutcome, SshConnection } from './ssh-connection';

/** What happened to the connection, as it happens: for metrics and events. */
export type ConnectionEvent =
  /** `outageMs`: since it was lost, or since the start. */
  | { readonly kind: 'connected'; readonly first: boolean; readonly outageMs: number }
  | { readonly kind: 'attempt-failed'; readonly reason: string }
  | { readonly kind: 'disconnected'; readonly reason: string };

interface KeeperOptions {
  readonly address: string;
  readonly open: () => Promise<ConnectOutcome>;
  /** Between attempts, in milliseconds: this, doubled each time, at most the maximum, and up to a tenth more. */
  readonly reconnectInitialMs: number;
  readonly reconnectMaximumMs: number;
  readonly logger: Logger;
  readonly onEvent: (event: ConnectionEvent) => void;
}

/** One connection at a time, opened anew for as long as it takes. */
export class ConnectionKeeper implements ArrayConnection {
  readonly address: string;
  #state: ArrayConnection['state'] = { connected: false, since: new Date(), reason: 'not connected yet' };
  #current: SshConnection | undefined;
  #attempt: Promise<ConnectOutcome> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs: number;
  #connectedBefore = false;
  #stopped: string | undefined;

  constructor(private readonly options: KeeperOptions) {
    this.address = options.address;
    this.#delayMs = options.reconnectInitialMs;
  }

  get state(): ArrayConnection['state'] {
    return this.#state;
  }

  /** Begins to connect, in the background. */
  start(): void {
    void this.#tryNow();
  }

  /** No more attempts; what runs over the connection is left to finish. */
  stop(reason: string): void {
    this.#stopped = reason;
    clearTimeout(this.#timer);
    this.#current?.retire(reason);
  }

  /**
   * The connection. If there is none, an attempt is made at once, one for all who ask, and waited for until the signal.
   * Throws ArrayUnreachable.
   */
  async get(signal: AbortSignal): Promise<SshConnection> {
    if (this.#stopped !== undefined) throw this.#unreachable();
    if (this.#current?.usable) return this.#current;
    const outcome = await until(this.#tryNow(), signal);
    if (outcome?.kind !== 'open') throw this.#unreachable();
    return outcome.connection;
  }

  #tryNow(): Promise<ConnectOutcome> {
    clearTimeout(this.#timer);
    this.#attempt ??= this.#try();
    return this.#attempt;
  }

  async #try(): Promise<ConnectOutcome> {
    const outcome = await this.options.open();
    this.#attempt = undefined;
    if (this.#stopped !== undefined) {
      if (outcome.kind === 'open') outcome.connection.retire(this.#stopped);
      return { kind: 'failed', reason: this.#stopped };
    }
    if (outcome.kind === 'open') this.#adopt(outcome.connection);
    else this.#noteFailure(outcome.reason);
    return outcome;
  }

  #adopt(connection: SshConnection): void {
    const { address } = this;
    const now = new Date();
    const outageMs = now.getTime() - this.#state.since.getTime();
    this.#current = connection;
    this.#state = { connected: true, since: now };
    this.#delayMs = this.options.reconnectInitialMs;
    this.options.logger.info({ address, outageMs }, `connected to the RDS ${address}`);
    this.options.onEvent({ kind: 'connected', first: !this.#connectedBefore, outageMs });
    this.#connectedBefore = true;
    void connection.ended.then((reason) => this.#drop(reason));
  }

  #drop(reason: string): void {
    const { address } = this;
    this.#current = undefined;
    this.#state = { connected: false, since: new Date(), reason };
    if (this.#stopped !== undefined) return;
    this.options.logger.warn({ address, reason }, `not connected to the RDS ${address} any more: ${reason}`);
    this.options.onEvent({ kind: 'disconnected', reason });
    this.#scheduleAttempt();
  }

  #noteFailure(reason: string): void {
    const { address } = this;
    const known = !this.#state.connected && this.#state.reason === reason;
    this.#state = { connected: false, since: this.#state.since, reason };
    const { message } = this.#unreachable();
    // An outage of hours is one line in the log for each reason, not one for each attempt.
    if (known) this.options.logger.debug({ address, reason }, message);
    else this.options.logger.warn({ address, reason }, message);
    this.options.onEvent({ kind: 'attempt-failed', reason });
    this.#scheduleAttempt();
  }

  #scheduleAttempt(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), this.#delayMs * (1 + Math.random() / 10));
    this.#delayMs = Math.min(this.#delayMs * 2, this.options.reconnectMaximumMs);
  }

  #unreachable(): Fault {
    const { since } = this.#state;
    const reason = this.#stopped ?? (this.#state.connected ? 'connecting' : this.#state.reason);
    return new Fault(
      'ArrayUnreachable',
      `RDS ${this.address} cannot be reached since ${since.toISOString()}: ${reason}`,
    );
  }
}

/** The promise's value, or undefined if the signal comes first. */
async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let leave: () => void = () => undefined;
  const left = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
