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
import type { NamespaceClaim } from './namespace-claim';

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
  /** Whose the namespace is: the Schedule says it. */
  readonly claim: NamespaceClaim;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface ReconcileSchedule {
  /** Asks for a run at once, for this reason; one that runs already looks again. Many triggers are one run. */
  trigger(reason: string): void;
}

/**
 * Sees to the one Schedule that all controllers of a deployment share, and triggers it: at once, when this process has come up. What cannot be
 * asked of Temporal now is asked as soon as it is there.
 */
export function keepReconcileSchedule(options: ReconcileScheduleOptions): ReconcileSchedule {
  const { claim, client, logger, signal } = options;
  const wanted = new Set(['the controller has started']);
  let wake = new AbortController();
  const serve = async (): Promise<void> => {
    await client.connection.withDeadline(Date.now() + 3 * TEMPORAL_CALL_LIMIT_MS, async () => {
      const handle = await ensureSchedule(options);
      if (!handle || wanted.size === 0) return;
      const reasons = [...wanted];
      // What comes up from here on may be too late for this run, be it for the same reason: it gets another one.
      wanted.clear();
      try {
        await trigger(client, handle);
      } catch (error) {
        for (const reason of reasons) wanted.add(reason);
        throw error;
      }
      logger.info({ reasons }, `reconcile was triggered: ${reasons.join(', ')}`);
    });
  };
  const run = async (): Promise<void> => {
    let told: string | undefined;
    while (!signal.aborted) {
      wake = new AbortController();
      const reason = await serve().then(whyNot(claim), reasonOf);
      if (reason !== undefined) claim.unknown(reason);
      if (reason !== undefined && reason !== told) logger.warn({ reason }, `nothing is reconciled: ${reason}`);
      told = reason;
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

/** Why a round that met no error has done nothing; undefined: it has done all. */
function whyNot(claim: NamespaceClaim): () => string | undefined {
  return () => {
    try {
      claim.require();
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * There, with this very configuration: that of the controller that came last. Undefined: another deployment has put its own there,
 * and the namespace is not ours.
 */
async function ensureSchedule(options: ReconcileScheduleOptions): Promise<ScheduleHandle | undefined> {
  const { claim, client, input } = options;
  const schedule = scheduleOf(options);
  const handle = client.schedule.getHandle(RECONCILE_SCHEDULE_ID);
  try {
    const { action } = await handle.describe();
    const owner = findOwner(action);
    if (owner && !isOwner(owner, input)) {
      claim.foreign(`cluster ${owner.clusterId}, driver ${owner.driverName ?? 'not named'}`);
      return undefined;
    }
    claim.ours();
    if (isSame(action, schedule.action)) return handle;
    await handle.update((previous) => ({ ...schedule, state: previous.state }));
    return handle;
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
  try {
    const created = await client.schedule.create(schedule);
    claim.ours();
    return created;
  } catch (error) {
    // Another controller was faster: of this deployment, or of another.
    if (error instanceof ScheduleAlreadyRunning) return await ensureSchedule(options);
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

type Owner = Pick<ReconcileInput, 'clusterId' | 'driverName'>;

function findOwner({ args }: { readonly args?: unknown }): Owner | undefined {
  const input: unknown = Array.isArray(args) ? args[0] : undefined;
  if (typeof input !== 'object' || input === null || !('clusterId' in input)) return undefined;
  const driverName =
    'driverName' in input && typeof input.driverName === 'string' ? { driverName: input.driverName } : {};
  return { clusterId: String(input.clusterId), ...driverName };
}

function isOwner(owner: Owner, { clusterId, driverName }: ReconcileInput): boolean {
  return owner.clusterId === clusterId && (owner.driverName === undefined || owner.driverName === driverName);
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
