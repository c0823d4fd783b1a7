import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { faultOf } from '../contract/failure';
import { ANSWER_BEFORE_DEADLINE, LONGEST_WAIT_MS } from '../contract/limits';
import type { OperationMemo, OperationName, Operations } from '../contract/operations';
import { NEGATES, REPAIR } from '../contract/operations';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';
import { CONTROLLER_TASK_QUEUE } from '../contract/task-queues';
import { Fault } from '../domain/fault';
import { memoOf, type Operation, subjectOf } from './operation';
import { describePending } from './pending';
import { callTemporal, reasonOf } from './temporal-calls';

/** For how long a caller waits: until its deadline, until it hangs up, or until this process stops. */
export interface Patience {
  /** Undefined: the caller has named none. */
  readonly deadline: Date | undefined;
  readonly ended: AbortSignal;
}

/** Start or join: the one way in which an RPC changes a volume. */
export interface RunOperation {
  /**
   * Starts the operation's workflow, or joins the run of the same operation, and waits for its result. Throws the Fault that the
   * workflow ended with; OperationPending when the caller's patience ends first (the workflow goes on); OperationConflict when
   * another operation of the volume is running; TemporalUnreachable.
   */
  <Name extends OperationName>(operation: Operation<Name>, patience: Patience): Promise<Operations[Name]['result']>;
}

/** How much of the time to answer in asking what a run waits for may take. */
const DESCRIBE_SHARE = 0.8;

export function createOperations(client: Client): RunOperation {
  return async (operation, patience) => {
    const wait = waitOf(patience);
    for (;;) {
      const run = (await start(client, operation)) ?? (await joinHolder(client, operation, wait));
      if (run) return await resultOf(client, { operation, run, wait });
      if (wait.over.aborted) throw await pending(client, operation, wait);
    }
  };
}

interface Wait {
  /** Aborted: the caller is to be answered now. */
  readonly over: AbortSignal;
  /** How long an answer that is not the result may take then. */
  readonly answerMs: number;
}

function waitOf({ deadline, ended }: Patience): Wait {
  const { waitMs, answerMs } = splitPatience(deadline && deadline.getTime() - Date.now());
  return { over: AbortSignal.any([AbortSignal.timeout(waitMs), ended]), answerMs };
}

/**
 * How long a caller with so much time left is kept waiting for the result, and how long an answer that is not the result may take then.
 * Whole milliseconds: timers take no others. Undefined: it has no deadline.
 */
export function splitPatience(leftMs: number | undefined): { readonly waitMs: number; readonly answerMs: number } {
  const { share, leastMs, mostMs } = ANSWER_BEFORE_DEADLINE;
  const left = leftMs === undefined ? LONGEST_WAIT_MS + mostMs : Math.max(leftMs, 0);
  const answerMs = Math.ceil(Math.min(Math.max(left * share, leastMs), mostMs));
  return { waitMs: Math.min(Math.max(left - answerMs, 0), LONGEST_WAIT_MS), answerMs };
}

type OperationWorkflow<Name extends OperationName> = (
  input: Operations[Name]['input'],
) => Promise<Operations[Name]['result']>;

type Run<Name extends OperationName> = Pick<WorkflowHandle<OperationWorkflow<Name>>, 'result' | 'cancel'>;

/** Starts the operation's workflow; undefined if another run holds the volume. */
async function start<Name extends OperationName>(
  client: Client,
  operation: Operation<Name>,
): Promise<Run<Name> | undefined> {
  const { name, volumeId, workflowId, nodeId, input, summary } = operation;
  const attributes = [{ key: SEARCH_ATTRIBUTES.VolumeId, value: volumeId as string }];
  if (nodeId !== undefined) attributes.push({ key: SEARCH_ATTRIBUTES.NodeId, value: nodeId });
  try {
    return await callTemporal(client.connection, () =>
      client.workflow.start<OperationWorkflow<Name>>(name, {
        workflowId,
        taskQueue: CONTROLLER_TASK_QUEUE,
        args: [input],
        workflowIdConflictPolicy: 'FAIL',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        memo: { ...memoOf(operation) },
        typedSearchAttributes: new TypedSearchAttributes(attributes),
        staticSummary: summary,
      }),
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

/**
 * The run that holds the volume, if it is the same operation. One that the new operation negates is cancelled and waited for;
 * undefined when the holder has ended.
 */
async function joinHolder<Name extends OperationName>(
  client: Client,
  operation: Operation<Name>,
  wait: Wait,
): Promise<Run<Name> | undefined> {
  const holder = await describe(client, operation.workflowId);
  if (holder?.status.name !== 'RUNNING') return undefined;
  const memo = holder.memo as Partial<OperationMemo> | undefined;
  const run = client.workflow.getHandle<OperationWorkflow<Name>>(holder.workflowId, holder.runId, {
    followRuns: false,
  });
  if (memo?.operationHash === memoOf(operation).operationHash) return run;
  if (!isNegatedBy(operation, { name: holder.type, nodeId: memo?.nodeId })) {
    const subject = subjectOf(operation);
    throw new Fault('OperationConflict', `${subject} has to wait: ${describePending(operation.volumeId, holder)}`);
  }
  await callTemporal(client.connection, () => run.cancel()).catch(rethrowUnlessEnded);
  await resultOf(client, { operation, run, wait }).catch(rethrowUnlessEnded);
  return undefined;
}

/** Delete negates create and expand; unpublish negates the publish to the same node, or to any if it names none. */
function isNegatedBy(
  { name, nodeId }: Operation<OperationName>,
  holder: { readonly name: string; readonly nodeId: string | undefined },
): boolean {
  // A caller knows what is wanted; reconcile only finds what is not.
  if (holder.name === REPAIR) return true;
  const negated: readonly string[] = NEGATES[name];
  return negated.includes(holder.name) && (nodeId === undefined || nodeId === holder.nodeId);
}

/** A run that is waited for to end may end as it likes: only not knowing its end counts. */
function rethrowUnlessEnded(error: unknown): void {
  const unknown = error instanceof Fault && (error.kind === 'OperationPending' || error.kind === 'TemporalUnreachable');
  if (unknown) throw error;
}

interface Waited<Name extends OperationName> {
  readonly operation: Operation<Name>;
  readonly run: Run<Name>;
  readonly wait: Wait;
}

/** The run's result, as the Fault that it ended with, or OperationPending when the wait is over first. */
async function resultOf<Name extends OperationName>(
  client: Client,
  { operation, run, wait }: Waited<Name>,
): Promise<Operations[Name]['result']> {
  const stopped = Promise.withResolvers<never>();
  const { over } = wait;
  const stop = (): void => stopped.reject(over.reason);
  over.addEventListener('abort', stop, { once: true });
  if (over.aborted) stop();
  try {
    // The signal ends the long poll; the race covers the moment between two polls, which the client does not look at.
    const result = client.connection.withAbortSignal(over, () => run.result());
    return await Promise.race([result, stopped.promise]);
  } catch (error) {
    if (over.aborted) throw await pending(client, operation, wait);
    if (!(error instanceof WorkflowFailedError)) throw unknownOutcome(operation, error);
    throw faultOf(error.cause, subjectOf(operation)) ?? new Error(`${subjectOf(operation)} failed`, { cause: error });
  } finally {
    over.removeEventListener('abort', stop);
  }
}

/** Whatever else goes wrong while a run is waited for, the run may go on: no answer may say that it does not. */
function unknownOutcome(operation: Operation<OperationName>, error: unknown): Fault {
  const why = error instanceof WorkflowNotFoundError ? 'Temporal does not know its run any more' : reasonOf(error);
  return new Fault(
    'TemporalUnreachable',
    `${subjectOf(operation)} was started and may go on: ${why}; repeat the call`,
    {
      cause: error,
    },
  );
}

/** The answer to a caller whose patience has ended: what the volume's run waits for. */
async function pending(client: Client, operation: Operation<OperationName>, { answerMs }: Wait): Promise<Fault> {
  const run = await describe(client, operation.workflowId, Math.round(answerMs * DESCRIBE_SHARE)).catch(
    () => undefined,
  );
  if (!run) {
    const unknown = 'is under way and goes on by itself; Temporal does not say now what it waits for';
    return new Fault('OperationPending', `${subjectOf(operation)} ${unknown}`);
  }
  if (run.status.name === 'RUNNING') return new Fault('OperationPending', describePending(operation.volumeId, run));
  return new Fault(
    'OperationPending',
    `${subjectOf(operation)} has ended this very moment: the next call gets its outcome`,
  );
}

/** The latest run of this ID; undefined if there is none. */
async function describe(
  client: Client,
  workflowId: string,
  limitMs?: number,
): Promise<WorkflowExecutionDescription | undefined> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    return await callTemporal(client.connection, () => handle.describe(), limitMs);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
