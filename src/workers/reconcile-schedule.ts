import { setTimeout as delay } from 'node:timers/promises';
import type { Client, ScheduleHandle, ScheduleOptions, ScheduleOptionsStartWorkflowAction } from '@temporalio/client';
import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import { TEMPORAL_CALL_LIMIT_MS } from '../contract/limits';
import {
  LOOK_AGAIN_SIGNAL,
  RECONCILE_SCHEDULE_ID,
  RECONCILE_WORKFLOW_ID,
  type ReconcileInput,
} from '../contract/reconcile';
import { CONTROLLER_TASK_QUEUE } from '../contract/task-queues';
import type { Logger } from '../domain/log';
import type { reconcile } from '../workflows/reconcile';

/** Between two looks at whether the Schedule is still there, and as it should be: Temporal may have lost its database. */
const CHECK_INTERVAL_MS = 60_000;
/** While Temporal cannot be reached. */
const RETRY_INTERVAL_MS = 2_000;
/** A Schedule that was down for longer than this begins anew instead of making up for what it missed. */
const CATCHUP_WINDOW = '1 minute';

interface ReconcileScheduleOptions {
  readonly client: Client;
  readonly input: ReconcileInput;
  readonly intervalSeconds: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface ReconcileSchedule {
  /** Asks for a run at once, for this reason; one that runs already looks again. Many triggers are one run. */
  trigger(reason: string): void;
}

/**
 * Sees to the one Schedule that all controllers share, and triggers it: at once, when this process has come up. What cannot be
 * asked of Temporal now is asked as soon as it is there.
 */
export function keepReconcileSchedule(options: ReconcileScheduleOptions): ReconcileSchedule {
  const { client, logger, signal } = options;
  const wanted = new Set(['the controller has started']);
  let wake = new AbortController();
  const serve = async (): Promise<void> => {
    await client.connection.withDeadline(Date.now() + 3 * TEMPORAL_CALL_LIMIT_MS, async () => {
      const handle = await ensureSchedule(options);
      if (wanted.size === 0) return;
      const reasons = [...wanted];
      await trigger(client, handle);
      for (const reason of reasons) wanted.delete(reason);
      logger.info({ reasons }, `reconcile was triggered: ${reasons.join(', ')}`);
    });
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      wake = new AbortController();
      const reason = await serve().then(() => undefined, String);
      if (reason !== undefined) logger.debug({ reason }, `the Schedule of reconcile cannot be seen to: ${reason}`);
      if (wanted.size > 0 && reason === undefined) continue;
      const pauseMs = reason === undefined ? CHECK_INTERVAL_MS : RETRY_INTERVAL_MS;
      await delay(pauseMs, undefined, { signal: AbortSignal.any([signal, wake.signal]) }).catch(() => undefined);
    }
  };
  void run();
  return {
    trigger(reason) {
      wanted.add(reason);
      wake.abort();
    },
  };
}

/** There, with this very configuration: that of the controller that came last. */
async function ensureSchedule(options: ReconcileScheduleOptions): Promise<ScheduleHandle> {
  const { client } = options;
  const schedule = scheduleOf(options);
  const handle = client.schedule.getHandle(RECONCILE_SCHEDULE_ID);
  try {
    const { action } = await handle.describe();
    if (isSame(action, schedule.action)) return handle;
    await handle.update((previous) => ({ ...schedule, state: previous.state }));
    return handle;
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
  try {
    return await client.schedule.create(schedule);
  } catch (error) {
    // Another controller was faster.
    if (error instanceof ScheduleAlreadyRunning) return handle;
    throw error;
  }
}

type ReconcileOptions = ScheduleOptions<ScheduleOptionsStartWorkflowAction<typeof reconcile>>;

function scheduleOf({ input, intervalSeconds }: ReconcileScheduleOptions): ReconcileOptions {
  return {
    scheduleId: RECONCILE_SCHEDULE_ID,
    spec: { intervals: [{ every: intervalSeconds * 1_000 }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'reconcile',
      workflowId: RECONCILE_WORKFLOW_ID,
      taskQueue: CONTROLLER_TASK_QUEUE,
      args: [input],
      staticSummary: 'holds the RDS against the cluster',
      // Told apart by this: a Schedule's interval is not shown beside its action.
      memo: { intervalSeconds },
    },
    policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: CATCHUP_WINDOW },
  };
}

function isSame(
  found: { readonly args?: unknown; readonly memo?: unknown },
  wished: ReconcileOptions['action'],
): boolean {
  return JSON.stringify([found.args, found.memo]) === JSON.stringify([wished.args, wished.memo]);
}

async function trigger(client: Client, handle: ScheduleHandle): Promise<void> {
  const { info } = await handle.describe();
  // One that waits out a grace sees what is new at once; the run that is buffered behind it makes sure.
  for (const { workflow } of info.runningActions) {
    await client.workflow
      .getHandle(workflow.workflowId)
      .signal(LOOK_AGAIN_SIGNAL)
      .catch(() => undefined);
  }
  await handle.trigger(ScheduleOverlapPolicy.BUFFER_ONE);
}
