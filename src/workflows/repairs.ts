import { TypedSearchAttributes, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ActivityCancellationType,
  ActivityFailure,
  CancellationScope,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { NodeActivities } from '../contract/activities';
import { NODE_ANSWER_LIMIT_MS } from '../contract/limits';
import type { DoneDto, OrphanSightingDto, RepairDto, RepairResult } from '../contract/reconcile';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';
import { nodeTaskQueueOf } from '../contract/task-queues';
import { volumeWorkflowIdOf } from '../contract/workflow-ids';
import type { StaleAttachment } from '../domain/stock';
import { parseVolumeId } from '../domain/volume-id';
import type { repairVolume } from './repair-volume';
import { tell } from './tell';

/** A repair that cannot be done, because something does not answer, is cancelled: it shall not hold up all others. */
const REPAIR_LIMIT_MS = 120_000;
/** Repairs that run at a time: each is a workflow, and most of each is a script on the RDS. */
const REPAIRS_AT_ONCE = 25;
/** Repairs of a kind in one run; what is left, the next one does. */
const MOST_REPAIRS = 500;
/** What a node has said counts for so long: a run that waits for the RDS to return may come to use it much later. */
const ANSWER_LIFETIME_MS = 2 * NODE_ANSWER_LIMIT_MS;

const ACTIONS = { 'clear-attachments': 'clear', 'restore-export': 'restore', 'delete-orphan': 'delete' } as const;

/** What one run of reconcile puts right, volume by volume, each under the volume's own lock. */
export interface Repairs {
  restoreExports(volumeIds: readonly string[]): Promise<void>;
  /** Asks the nodes whether they have these volumes, so that clearing them does not wait for it: one that is off does not answer. */
  askNodes(stale: readonly StaleAttachment[]): Promise<void>;
  /** Those that no node keeps; what it was not asked about just now it is asked. */
  clearAttachments(stale: readonly StaleAttachment[]): Promise<void>;
  deleteOrphans(orphans: readonly OrphanSightingDto[]): Promise<void>;
  /** What is not touched, and why. */
  leave(orphans: readonly OrphanSightingDto[], why: string): void;
  /** What was done and what was left, so far: a line each. */
  lines(): { readonly done: readonly DoneDto[]; readonly left: readonly string[] };
}

export function startRepairs(clusterId: string): Repairs {
  const done: DoneDto[] = [];
  const left: string[] = [];
  const begun = new Map<RepairDto['kind'], number>();
  const { ask, whyKept } = startAsking();
  const repair = async (volumeId: string, repair: RepairDto): Promise<void> => {
    const number = (begun.get(repair.kind) ?? 0) + 1;
    begun.set(repair.kind, number);
    if (number > MOST_REPAIRS) return void left.push(`${volumeId}: left to the next run, there is much to do`);
    const result = await repairUnderLock(clusterId, volumeId, repair);
    if (result.done) done.push({ action: ACTIONS[repair.kind], what: result.what });
    else left.push(result.what);
  };
  return {
    lines: () => ({ done: [...done], left: [...left] }),
    leave: (orphans, why) => void left.push(...orphans.map(({ volumeId }) => `${volumeId}: not deleted, ${why}`)),
    restoreExports: (volumeIds) => forEach(volumeIds, (volumeId) => repair(volumeId, { kind: 'restore-export' })),
    deleteOrphans: (orphans) => forEach(orphans, ({ volumeId }) => repair(volumeId, { kind: 'delete-orphan' })),
    askNodes: ask,
    async clearAttachments(stale) {
      await ask(stale);
      for (const attachment of stale) {
        const why = whyKept(attachment);
        if (why !== undefined) left.push(`${attachment.volumeId}: not cleared from ${attachment.nodeId}, ${why}`);
      }
      const byVolume = Map.groupBy(
        stale.filter((attachment) => whyKept(attachment) === undefined),
        ({ volumeId }) => volumeId,
      );
      await forEach([...byVolume], ([volumeId, ofVolume]) =>
        repair(volumeId, { kind: 'clear-attachments', stale: ofVolume.map(({ nodeId, why }) => ({ nodeId, why })) }),
      );
    },
  };
}

/** What nodes say of volumes, remembered for a moment. */
function startAsking() {
  const answers = new Map<string, { readonly why: string | undefined; readonly answeredMs: number }>();
  const isOpen = (attachment: StaleAttachment): boolean => {
    const answer = answers.get(keyOfAttachment(attachment));
    if (!answer) return true;
    // Runs of earlier releases used an answer however old it was.
    return Date.now() - answer.answeredMs > ANSWER_LIFETIME_MS && patched('fresh-answers');
  };
  return {
    async ask(this: void, stale: readonly StaleAttachment[]): Promise<void> {
      const open = stale.filter(isOpen);
      const kept = await askEachNode(open);
      const answeredMs = Date.now();
      for (const attachment of open) answers.set(keyOfAttachment(attachment), { why: undefined, answeredMs });
      for (const attachment of kept) answers.set(keyOfAttachment(attachment), { why: attachment.why, answeredMs });
    },
    /** Why the node keeps the volume, by what it has said last; undefined: it does not. */
    whyKept(this: void, attachment: StaleAttachment): string | undefined {
      return answers.get(keyOfAttachment(attachment))?.why;
    },
  };
}

/** What tells one attachment from another. */
export function keyOfAttachment({ volumeId, nodeId }: Pick<StaleAttachment, 'volumeId' | 'nodeId'>): string {
  return `${volumeId} ${nodeId}`;
}

/** A few at a time. */
async function forEach<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  const work = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: REPAIRS_AT_ONCE }, work));
}

/** Whoever holds the volume knows better than a look from afar: it is left to the next run. */
async function repairUnderLock(clusterId: string, text: string, repair: RepairDto): Promise<RepairResult> {
  const volumeId = parseVolumeId(text);
  try {
    return await CancellationScope.withTimeout(REPAIR_LIMIT_MS, () =>
      executeChild<typeof repairVolume>('repairVolume', {
        workflowId: volumeWorkflowIdOf(volumeId),
        args: [{ volumeId, clusterId, repair }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        typedSearchAttributes: new TypedSearchAttributes([
          { key: SEARCH_ATTRIBUTES.VolumeId, value: volumeId as string },
        ]),
        staticSummary: `reconcile: ${repair.kind}`,
      }),
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      return { done: false, what: `${volumeId}: another operation of it is running` };
    }
    const isLate = isCancellation(error) && !CancellationScope.current().consideredCancelled;
    const late = `not done within ${REPAIR_LIMIT_MS / 1_000} s, left to the next run`;
    return { done: false, what: `${volumeId}: ${isLate ? late : reasonOf(error)}` };
  }
}

type Kept = Omit<StaleAttachment, 'why'> & { readonly why: string };

/** What the nodes themselves say: those that answer, and have the volume or cannot tell, keep it. */
async function askEachNode(stale: readonly StaleAttachment[]): Promise<readonly Kept[]> {
  const byNode = [...Map.groupBy(stale, ({ nodeId }) => nodeId)];
  const kept = await Promise.all(byNode.map(([nodeId, ofNode]) => askNode(nodeId, ofNode)));
  return kept.flat();
}

async function askNode(nodeId: string, stale: readonly StaleAttachment[]): Promise<readonly Kept[]> {
  const volumeIds = stale.map(({ volumeId }) => volumeId);
  const node = proxyActivities<Pick<NodeActivities, 'findHeldVolumes'>>({
    taskQueue: nodeTaskQueueOf(nodeId),
    scheduleToStartTimeout: NODE_ANSWER_LIMIT_MS,
    startToCloseTimeout: NODE_ANSWER_LIMIT_MS,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { maximumAttempts: 1 },
  });
  try {
    const { held } = await node.findHeldVolumes({ volumeIds });
    for (const volumeId of held) await tellInUse(volumeId, nodeId);
    return held.map((volumeId) => ({ volumeId, nodeId, why: 'the node answers that it has it connected' }));
  } catch (error) {
    // Nobody answers: the node is off, or its worker is. Kubernetes has said already that it has no business with the volume.
    if (error instanceof ActivityFailure && isUnheard(error.cause)) return [];
    return volumeIds.map((volumeId) => ({ volumeId, nodeId, why: `the node cannot tell: ${reasonOf(error)}` }));
  }
}

/** No worker of the node has taken the question up. One that has, and does not answer, is alive: it cannot tell. */
function isUnheard(cause: unknown): boolean {
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}

async function tellInUse(volumeId: string, nodeId: string): Promise<void> {
  const message =
    `${volumeId}: Kubernetes has it attached to ${nodeId} no more, and that node still has it connected; ` +
    'it is not cleared before the node has let it go, or is off';
  await tell({ reason: 'AttachmentInUse', type: 'Warning', message, on: { volumeId } });
}

/** The innermost message: what wraps it says only that something failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
