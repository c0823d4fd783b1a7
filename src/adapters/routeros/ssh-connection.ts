import { connect, type Socket } from 'node:net';
import { Client, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2';
import { formatUntrusted } from '../../domain/text';
import type { HostKeyCheck } from './host-key';
import { type RunLimits, type RunOutcome, runScript } from './ssh-exec';

/** How a user logs in: by private key, password, or both. Neither ever gets into a message. */
export interface SshCredentials {
  readonly username: string;
  readonly password?: string | undefined;
  /** In a format that OpenSSH writes. */
  readonly privateKey?: string | undefined;
  readonly passphrase?: string | undefined;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly credentials: SshCredentials;
  readonly hostKey: HostKeyCheck;
  /** From the first packet to the login, in milliseconds. */
  readonly connectLimitMs: number;
  readonly keepaliveIntervalMs: number;
  /** The connection is lost after so many keepalives without an answer. */
  readonly keepaliveCount: number;
}

/** One connection that is logged in. It ends once: lost, retired, or closed. */
export interface SshConnection {
  /** Whether a script may be sent over it. */
  readonly usable: boolean;
  /** Why it is not usable any more; settles once. */
  readonly ended: Promise<string>;
  run(script: string, limits: RunLimits): Promise<RunOutcome>;
  /** No more scripts: those that are running are left to finish, then the connection is closed. */
  retire(reason: string): void;
}

export type ConnectOutcome =
  | { readonly kind: 'open'; readonly connection: SshConnection }
  | { readonly kind: 'failed'; readonly reason: string };

/** Longest that a connection which is being closed waits for the server to agree. */
const FAREWELL_LIMIT_MS = 500;

/** Host key types that a modern RouterOS has, the preferred first. SHA-1 signatures are not offered. */
const HOST_KEY_ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Connects and logs in. Never rejects: a failure is an outcome, with its reason for a person. */
export function openConnection(options: ConnectOptions): Promise<ConnectOutcome> {
  const { host, port, connectLimitMs, credentials } = options;
  const socket = connect({ host, port, noDelay: true });
  const client = new Client();
  let reason: string | undefined;

  const outcome = new Promise<ConnectOutcome>((resolve) => {
    const fail = (why: string): void => {
      clearTimeout(limit);
      resolve({ kind: 'failed', reason: why });
      socket.destroy();
    };
    const limit = setTimeout(() => fail(`not connected within ${connectLimitMs} ms`), connectLimitMs);
    // The client says `error` more than once: the first is the cause. Without a listener it would end the process.
    client.on('error', (error: Error & { level?: string }) => {
      reason ??= reasonOf(error, credentials.username);
      fail(reason);
    });
    socket.once('close', () => fail(reason ?? 'the RDS closed the connection before the login'));
    client.once('ready', () => {
      clearTimeout(limit);
      resolve({ kind: 'open', connection: watch(client, socket, () => reason) });
    });
    const refuse = (why: string): void => {
      reason = why;
    };
    try {
      client.connect(configOf(options, socket, refuse));
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  });
  return outcome;
}

function configOf(options: ConnectOptions, socket: Socket, refuse: (reason: string) => void): ConnectConfig {
  const { credentials, hostKey, keepaliveCount, keepaliveIntervalMs } = options;
  const { username, password, privateKey, passphrase } = credentials;
  return {
    sock: socket,
    username,
    ...(password !== undefined && { password }),
    ...(privateKey !== undefined && { privateKey }),
    ...(passphrase !== undefined && { passphrase }),
    authHandler: [
      ...(privateKey === undefined ? [] : ['publickey' as const]),
      ...(password === undefined ? [] : ['password' as const]),
    ],
    algorithms: { serverHostKey: algorithmsFor(hostKey.types) },
    hostVerifier: (key: Buffer) => {
      const why = hostKey.whyRefused(key);
      if (why !== undefined) refuse(why);
      return why === undefined;
    },
    keepaliveInterval: keepaliveIntervalMs,
    keepaliveCountMax: keepaliveCount,
    // The whole way is timed here, name resolution included.
    readyTimeout: 0,
  };
}

/** A server shows the key of the first type that it has: so those that are known go first. */
function algorithmsFor(types: readonly string[]): ServerHostKeyAlgorithm[] {
  const known = (algorithm: string) => types.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm);
  return [...HOST_KEY_ALGORITHMS.filter(known), ...HOST_KEY_ALGORITHMS.filter((algorithm) => !known(algorithm))];
}

function watch(client: Client, socket: Socket, reasonOfLoss: () => string | undefined): SshConnection {
  let running = 0;
  let usable = true;
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const stopUsing = (reason: string): void => {
    usable = false;
    end(reason);
  };
  const closeIfIdle = (): void => {
    if (usable || running > 0) return;
    client.end();
    // A peer that is dead does not take what is left to send, and never says its own end.
    setTimeout(() => socket.destroy(), FAREWELL_LIMIT_MS).unref();
  };
  const lost = () => `the connection was lost: ${reasonOfLoss() ?? 'the RDS closed it'}`;
  socket.once('end', () => stopUsing(lost()));
  socket.once('close', () => stopUsing(lost()));
  return {
    get usable() {
      return usable;
    },
    ended,
    async run(script, limits) {
      running += 1;
      try {
        return await runScript({ client, socket, lost }, script, limits);
      } finally {
        running -= 1;
        closeIfIdle();
      }
    },
    retire(reason) {
      stopUsing(reason);
      closeIfIdle();
    },
  };
}

/** What ssh2 and the system say, in a person's words. None of it holds a secret. */
function reasonOf(error: Error & { level?: string; code?: unknown }, username: string): string {
  if (error.level === 'client-authentication') {
    return `login of user ${formatUntrusted(username)} refused: wrong key or password, or not allowed to use SSH`;
  }
  if (error.code === 'ECONNREFUSED') return 'connection refused';
  if (error.message === 'Keepalive timeout') return 'no answer to keepalives';
  // A name with several addresses is tried at each: the errors are inside, and the message is empty.
  const errors = 'errors' in error && Array.isArray(error.errors) ? error.errors.map(String).join('; ') : error.message;
  return errors === '' ? error.name : errors;
}
