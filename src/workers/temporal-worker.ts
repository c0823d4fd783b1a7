import { setTimeout as delay } from 'node:timers/promises';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { HEARTBEAT_INTERVAL_MS } from '../contract/limits';
import type { Logger } from '../domain/log';
import type { TemporalConfig } from './config/controller-config';
import type { NamespaceClaim } from './namespace-claim';
import { connectionOptionsOf } from './temporal-client';

/** Between a worker that could not start, or ended by an error, and the next. */
const RESTART_DELAY_MS = 2_000;
/** An activity under way when the process is told to stop may end by itself for so long; then it is cancelled. */
const SHUTDOWN_GRACE_MS = 5_000;
const SHUTDOWN_FORCE_MS = 25_000;

interface WorkerSupervision {
  readonly temporal: TemporalConfig;
  /** What the worker does: task queue, activities, interceptors, workflow bundle. */
  readonly options: Omit<WorkerOptions, 'connection' | 'namespace'> & { readonly taskQueue: string };
  /** It runs only while this is open; absent: always. */
  readonly admission?: Pick<NamespaceClaim, 'opened' | 'onClose'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface SupervisedWorker {
  /** Whether the worker is polling now. */
  readonly running: boolean;
  /** Ends when the signal has ended the worker and its activities are over. */
  readonly ended: Promise<void>;
}

/** Keeps a worker running until the signal: one that cannot connect, or dies of an error, is begun anew. */
export function superviseWorker(supervision: WorkerSupervision): SupervisedWorker {
  const { temporal, options, admission, logger, signal } = supervision;
  let worker: Worker | undefined;
  const runOnce = async (): Promise<void> => {
    const connection = await NativeConnection.connect(connectionOptionsOf(temporal));
    try {
      worker = await Worker.create({
        ...options,
        connection,
        namespace: temporal.namespace,
        shutdownGraceTime: SHUTDOWN_GRACE_MS,
        shutdownForceTime: SHUTDOWN_FORCE_MS,
        // A cancellation reaches an activity with the answer to its heartbeat: so none may be held back for long.
        maxHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
        defaultHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
      });
      if (signal.aborted) return;
      await worker.run();
    } finally {
      worker = undefined;
      await connection.close();
    }
  };
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        if (admission) await Promise.race([admission.opened, aborted]);
        if (signal.aborted) return;
        await runOnce();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn(
          { taskQueue: options.taskQueue, reason },
          `the Temporal worker is not running, begun anew: ${reason}`,
        );
        await delay(RESTART_DELAY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  const stop = (): void => {
    if (worker?.getState() === 'RUNNING') worker.shutdown();
  };
  signal.addEventListener('abort', stop, { once: true });
  admission?.onClose(stop);
  return {
    get running() {
      return worker?.getState() === 'RUNNING';
    },
    ended: run(),
  };
}
