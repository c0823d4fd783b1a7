import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection, type ConnectionOptions } from '@temporalio/client';
import { Fault } from '../src/domain/fault';
import { getTemporalExecutable } from './executable';
import { ensureSearchAttributes, REQUIRED_SEARCH_ATTRIBUTES } from './search-attributes';
import { ServerProcess } from './server-process';
import { startDevArgs } from './start-dev';

export interface TemporalServerOptions {
  /** What a person is told: that a server is being built, that it has ended by itself. One line each. */
  readonly log: (line: string) => void;
  /** SQLite file; without it nothing outlives the server. Never on a volume that this driver provisions. */
  readonly dbFilename?: string | undefined;
  /** Where to listen, 127.0.0.1 by default: the embedded server asks nobody who they are. */
  readonly ip?: string | undefined;
  /** A free port by default; the same for the Web UI. */
  readonly port?: number | undefined;
  readonly uiPort?: number | undefined;
  /** `default` by default. */
  readonly namespace?: string | undefined;
  /** TLS and API key, for the server that TEMPORAL_ADDRESS names. */
  readonly connection?: Pick<ConnectionOptions, 'tls' | 'apiKey' | 'metadata'> | undefined;
  /** The process's own by default. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A Temporal server that answers for the namespace, with the search attributes registered. */
export interface TemporalServer {
  /** `host:port` of its gRPC frontend. */
  readonly address: string;
  /** Undefined for a server that was there already; the same for the process ID. */
  readonly uiUrl: string | undefined;
  readonly pid: number | undefined;
  readonly namespace: string;
  /** Stops what was started here; leaves a server that was there already alone. May be called again. */
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 90_000;
const READY_POLL_INTERVAL_MS = 100;
const CALL_LIMIT_MS = 5_000;
/** Another process may take a free port between its choice and its use. */
const START_ATTEMPTS = 3;

/**
 * The server that TEMPORAL_ADDRESS names, if it is set; else an embedded one, whose program is found, downloaded or built
 * (executable.ts). Throws TemporalUnreachable, telling what was tried.
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { env = process.env, namespace = 'default', log, signal } = options;
  if (env.TEMPORAL_ADDRESS) return await useServer(env.TEMPORAL_ADDRESS, namespace, options);
  const executable = await getTemporalExecutable({ env, log, signal }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new Fault('TemporalUnreachable', cause instanceof Error ? cause.message : String(cause), { cause });
  });
  const arePortsGiven = options.port !== undefined && options.uiPort !== undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await startEmbedded(executable, namespace, options);
    } catch (error) {
      if (arePortsGiven || attempt === START_ATTEMPTS || signal?.aborted || !isPortTaken(error)) throw error;
    }
  }
}

async function useServer(address: string, namespace: string, options: TemporalServerOptions): Promise<TemporalServer> {
  const { log } = options;
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ ...options.connection, address, connectTimeout: CALL_LIMIT_MS });
    await connection.withDeadline(Date.now() + CALL_LIMIT_MS, async () => {
      await connection?.workflowService.describeNamespace({ namespace });
    });
    await ensureSearchAttributes({ connection, namespace, log });
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault('TemporalUnreachable', `Temporal at ${address}, namespace ${namespace}: ${why}`, { cause });
  } finally {
    await connection?.close();
  }
  return { address, uiUrl: undefined, pid: undefined, namespace, async stop() {} };
}

async function startEmbedded(
  executable: string,
  namespace: string,
  options: TemporalServerOptions,
): Promise<TemporalServer> {
  const { ip = '127.0.0.1', dbFilename, log, signal, env = process.env } = options;
  const port = await claimPort(ip, options.port ?? 0);
  const uiPort = await claimPort(ip, options.uiPort ?? 0);
  if (dbFilename) await mkdir(path.dirname(path.resolve(dbFilename)), { recursive: true });
  signal?.throwIfAborted();
  const server = new ServerProcess({
    executable,
    args: startDevArgs({ ip, port, uiPort, namespace, dbFilename }),
    // What a person has set for their own Temporal client is not meant for this server.
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_'))),
  });
  const address = `${hostOf(ip)}:${port}`;
  const uiUrl = `http://${hostOf(ip)}:${uiPort}`;
  try {
    await waitUntilReady({ server, address, uiUrl, namespace, signal });
  } catch (error) {
    await server.stop();
    throw error;
  }
  void reportSurprisingEnd(server, log);
  return { address, uiUrl, namespace, pid: server.pid, stop: () => server.stop() };
}

async function reportSurprisingEnd(server: ServerProcess, log: (line: string) => void): Promise<void> {
  const end = await server.ended;
  if (!server.isStopping) log(`the embedded Temporal server has ended by itself: ${end}`);
}

interface ReadyOptions {
  readonly server: ServerProcess;
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Ready: the frontend answers for the namespace and knows the search attributes, and the Web UI answers. Both, because a server
 * that lost its port in the meantime ends, and whoever has that port now may be a Temporal server too.
 */
async function waitUntilReady({ server, address, uiUrl, namespace, signal }: ReadyOptions): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  const connection = Connection.lazy({ address, connectTimeout: CALL_LIMIT_MS });
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (server.end !== undefined)
        throw new Fault('TemporalUnreachable', `the embedded Temporal server: ${server.end}`);
      const why = (await findWhyNotReady(connection, namespace)) ?? (await findWhyNoAnswer(uiUrl));
      if (why === undefined) return;
      if (Date.now() > deadline) {
        throw new Fault(
          'TemporalUnreachable',
          `the embedded Temporal server is not ready after ${READY_LIMIT_MS / 1000} s: ${why}`,
        );
      }
      await delay(READY_POLL_INTERVAL_MS, undefined, signal && { signal });
    }
  } finally {
    await connection.close();
  }
}

async function findWhyNotReady(connection: Connection, namespace: string): Promise<string | undefined> {
  try {
    return await connection.withDeadline(Date.now() + CALL_LIMIT_MS, async () => {
      await connection.workflowService.describeNamespace({ namespace });
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = REQUIRED_SEARCH_ATTRIBUTES.filter((name) => !customAttributes?.[name]);
      return missing.length > 0 ? `no search attribute ${missing.join(', ')}` : undefined;
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function findWhyNoAnswer(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
    await answer.body?.cancel();
    return answer.ok ? undefined : `${url} answers ${answer.status}`;
  } catch (error) {
    return `${url}: ${String(error)}`;
  }
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Fault && /bind: address already in use/.test(error.message);
}

/** As it stands in an address: IPv6 in brackets, and for `every interface` the local one. */
function hostOf(ip: string): string {
  if (ip === '0.0.0.0') return '127.0.0.1';
  if (ip === '::') return '[::1]';
  return ip.includes(':') ? `[${ip}]` : ip;
}

/** The port, or any for 0, if it is free just now. Otherwise another server there would be taken for ours. */
async function claimPort(ip: string, wish: number): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', ({ message }) => {
      reject(new Fault('TemporalUnreachable', `the embedded Temporal server cannot listen there: ${message}`));
    });
    probe.listen(wish, ip, resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error(`no free port on ${ip}`);
  return address.port;
}
