import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { findNodeOfWorkflowId } from '../contract/workflow-ids';
import { subjectOf } from './operation';

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/**
 * What a running operation waits for, in one line for a person who reads `kubectl describe pvc`: the step, the attempt, the
 * last failure, and where to look in the Temporal Web UI.
 */
export function describePending(volumeId: string, description: WorkflowExecutionDescription): string {
  const subject = subjectOf({ name: description.type, volumeId });
  const activity = description.raw.pendingActivities?.[0];
  const waitsFor = activity
    ? describeActivity(activity, workerOf(description.workflowId))
    : 'it waits for a controller to work on it';
  return `${subject} is under way and goes on by itself: ${waitsFor} (workflow ${description.workflowId}, run ${description.runId})`;
}

function describeActivity(activity: PendingActivity, worker: string): string {
  const name = activity.activityType?.name ?? 'a step';
  if (isUntouched(activity)) return `${name} waits for a free worker of ${worker}`;
  const step = `${name}, attempt ${activity.attempt ?? 1}`;
  const waitingFor = heartbeatOf(activity);
  if (waitingFor) return `${step}: ${waitingFor}`;
  const failure = activity.lastFailure?.message;
  const next = secondsOf(activity.nextAttemptScheduleTime);
  const again =
    next === undefined || next * 1000 < Date.now() ? '' : `, next attempt at ${new Date(next * 1000).toISOString()}`;
  return failure ? `${step}, last failure: ${failure}${again}` : `${step}, no failure so far`;
}

/** Whether nobody has taken it on yet: its worker is away, or has all hands full. */
function isUntouched({ attempt, lastFailure, lastStartedTime }: PendingActivity): boolean {
  return (attempt ?? 1) <= 1 && !lastFailure && !lastStartedTime;
}

/** Whose the steps of that workflow are. */
function workerOf(workflowId: string): string {
  const nodeId = findNodeOfWorkflowId(workflowId);
  return nodeId === undefined ? 'a controller' : `node ${nodeId}`;
}

/** What the running attempt itself says that it waits for, if anything. */
function heartbeatOf(activity: PendingActivity): string | undefined {
  const payload = activity.heartbeatDetails?.payloads?.[0];
  const detail: unknown = payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
  return typeof detail === 'string' && detail !== '' && !activity.lastFailure ? detail : undefined;
}

function secondsOf(time: PendingActivity['nextAttemptScheduleTime']): number | undefined {
  const seconds = time?.seconds;
  return seconds === undefined || seconds === null ? undefined : Number(seconds);
}
