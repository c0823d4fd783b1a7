import { TypedSearchAttributes, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  startChild,
} from '@temporalio/workflow';
import type { WatchMigrationInput } from '../contract/operations';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';
import { migrationWorkflowIdOf } from '../contract/workflow-ids';

/** Tells the watch over a migration that other nodes have the volume now. */
export const holdersChanged = defineSignal('holdersChanged');

/** Between a start that finds a run and a signal that finds none lies the end of that run: it is not met often. */
const MOST_ATTEMPTS = 5;

/** A run that watches over the migration, whichever run that is: this one's, or one that is open and looks again. */
export async function ensureMigrationIsWatched(input: WatchMigrationInput): Promise<void> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    if (await startWatch(input)) return;
    if (await tellHoldersChanged(input.volumeId)) return;
  }
}

/** Returns whether there is a watch that was told. None is no fault: a watch reads the record itself before it ends. */
export async function tellHoldersChanged(volumeId: string): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(migrationWorkflowIdOf(volumeId)).signal(holdersChanged);
    return true;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return false;
  }
}

/** Returns false if a watch is running. It goes on when the run that has started it ends. */
async function startWatch(input: WatchMigrationInput): Promise<boolean> {
  try {
    await startChild<(input: WatchMigrationInput) => Promise<void>>('watchMigration', {
      workflowId: migrationWorkflowIdOf(input.volumeId),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      typedSearchAttributes: new TypedSearchAttributes([{ key: SEARCH_ATTRIBUTES.VolumeId, value: input.volumeId }]),
      staticSummary: `migration between ${input.migration.nodeIds.join(' and ')}, ${input.timeoutSeconds} s`,
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
