import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
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

/** A client that connects when it is first used, so that the process starts whether Temporal is there or not. */
export function createTemporalClient(temporal: TemporalConfig): Client {
  const connection = Connection.lazy({
    ...connectionOptionsOf(temporal),
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: CALL_ATTEMPTS }))],
  });
  return new Client({ connection, namespace: temporal.namespace });
}

export interface TemporalMonitor {
  /** Whether Temporal answered for the namespace when it was last asked; from memory. */
  readonly connected: boolean;
}

/** Asks Temporal every two seconds whether it is there, until the signal ends it. Logs when that changes. */
export function monitorTemporal(client: Client, logger: Logger, signal: AbortSignal): TemporalMonitor {
  const state = { connected: false };
  const namespace = client.options.namespace;
  const check = async (): Promise<void> => {
    await client.connection.withDeadline(Date.now() + CHECK_LIMIT_MS, () =>
      client.workflowService.describeNamespace({ namespace }),
    );
  };
  const watch = async (): Promise<void> => {
    let reason: string | undefined = 'not asked yet';
    while (!signal.aborted) {
      const found = await check().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (found === undefined && reason !== undefined) logger.info({ namespace }, 'Temporal is connected');
      if (found !== undefined && reason !== found)
        logger.warn({ namespace, reason: found }, `Temporal cannot be used: ${found}`);
      reason = found;
      state.connected = found === undefined;
      await delay(CHECK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  void watch();
  return state;
}
