import { setTimeout as delay } from 'node:timers/promises';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { ensureSearchAttributes } from '../../temporal/search-attributes';
import type { Logger } from '../domain/log';
import type { TemporalConfig } from './config/controller-config';

/** About 2 s of tries: an RPC tells its caller within 5 s that Temporal cannot be reached. */
const CALL_ATTEMPTS = 4;
const CHECK_INTERVAL_MS = 2_000;
const CHECK_LIMIT_MS = 2_000;

/** What a client and a worker need to reach Temporal: the same for both. */
export function connectionOptionsOf(temporal: TemporalConfig) {
  return {
    address: temporal.address,
    ...(temporal.tls === undefined ? {} : { tls: temporal.tls }),
    ...(temporal.apiKey === undefined ? {} : { apiKey: temporal.apiKey.reveal() }),
  };
}

export interface TemporalClient {
  readonly client: Client;
  readonly connection: Connection;
}

/** A client that connects when it is first used, so that the process starts whether Temporal is there or not. */
export function createTemporalClient(temporal: TemporalConfig): TemporalClient {
  const connection = Connection.lazy({
    ...connectionOptionsOf(temporal),
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: CALL_ATTEMPTS }))],
  });
  return { client: new Client({ connection, namespace: temporal.namespace }), connection };
}

export interface TemporalMonitor {
  /** Whether Temporal answered for the namespace when it was last asked; from memory. */
  readonly connected: boolean;
}

interface MonitorOptions {
  readonly temporal: TemporalClient;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Asks Temporal every two seconds whether it is there, until the signal ends it; sees to the search attributes when it first
 * is. Logs when that changes.
 */
export function monitorTemporal({ temporal, logger, signal }: MonitorOptions): TemporalMonitor {
  const { connection, client } = temporal;
  const { namespace } = client.options;
  const state = { connected: false };
  let prepared = false;
  const check = async (): Promise<void> => {
    await connection.withDeadline(Date.now() + CHECK_LIMIT_MS, async () => {
      await client.workflowService.describeNamespace({ namespace });
      if (!prepared)
        await ensureSearchAttributes({ connection, namespace, log: (line) => logger.warn({ namespace }, line) });
      prepared = true;
    });
  };
  const watch = async (): Promise<void> => {
    let reason: Failure | undefined = { kind: undefined, message: 'not asked yet' };
    while (!signal.aborted) {
      const found = await check().then(() => undefined, failureOf);
      if (found === undefined && reason !== undefined) logger.info({ namespace }, 'Temporal is connected');
      if (found !== undefined && (state.connected || reason?.kind !== found.kind)) {
        logger.warn({ namespace }, `Temporal cannot be used: ${found.message}`);
      }
      reason = found;
      state.connected = found === undefined;
      await delay(CHECK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  void watch();
  return state;
}

interface Failure {
  /** What tells one kind of failure from another: texts have times in them. */
  readonly kind: unknown;
  readonly message: string;
}

function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: isGrpcServiceError(error) ? error.code : message, message };
}
