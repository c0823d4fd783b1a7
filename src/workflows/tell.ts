import { isCancellation } from '@temporalio/workflow';
import type { ClusterEventDto } from '../contract/cluster-events';
import type { OutcomeDto } from '../contract/operations';
import { telling } from './activities';

/** Posts an event. What cannot be told fails no operation. */
export async function tell(event: ClusterEventDto): Promise<void> {
  await telling.postEvent(event).catch(rethrowCancellation);
}

/** Counts what was decided. What cannot be counted fails no operation. */
export async function countOutcome(outcome: OutcomeDto): Promise<void> {
  await telling.countOutcome(outcome).catch(rethrowCancellation);
}

function rethrowCancellation(error: unknown): void {
  if (isCancellation(error)) throw error;
}
