import { condition, setHandler } from '@temporalio/workflow';
import type { ClusterEventDto } from '../contract/cluster-events';
import type { MigrationDto, WatchMigrationInput } from '../contract/operations';
import { judgeMigration } from '../domain/migration';
import { array } from './activities';
import { holdersChanged } from './migration-watch';
import { countOutcome, tell } from './tell';

/**
 * Watches over a live migration: two nodes may write to a volume for so long. Says when it begins, and whether one of them has let
 * go in time; takes the volume from nobody. What counts is the record: signals only make it look earlier.
 */
export async function watchMigration(input: WatchMigrationInput): Promise<void> {
  const news = { heard: 0, handled: 0 };
  setHandler(holdersChanged, () => {
    news.heard += 1;
  });
  let migration: MigrationDto | undefined = input.migration;
  while (migration) {
    await watchOne({ ...input, migration }, news);
    migration = await findNext({ ...input, migration }, news);
  }
}

interface News {
  heard: number;
  handled: number;
}

async function watchOne(input: WatchMigrationInput, news: News): Promise<void> {
  const { volumeId, timeoutSeconds, migration } = input;
  const { nodeIds } = migration;
  const startedMs = Date.now();
  const deadlineMs = startedMs + timeoutSeconds * 1_000;
  const both = nodeIds.join(' and ');
  await tell(
    eventOf(
      input,
      'MigrationStarted',
      `${volumeId} is attached to ${both} for a live migration, ${timeoutSeconds} s at most`,
    ),
  );
  for (;;) {
    await condition(() => news.heard > news.handled, Math.max(deadlineMs - Date.now(), 1));
    const now = await findMigrating(input, news);
    const verdict = judgeMigration({ nodeIds, now, timeIsUp: Date.now() >= deadlineMs });
    const seconds = (Date.now() - startedMs) / 1_000;
    if (verdict === 'completed') {
      await tell(
        eventOf(
          input,
          'MigrationCompleted',
          `${volumeId}: the migration between ${both} took ${Math.round(seconds)} s`,
        ),
      );
      return await countOutcome({ kind: 'migration', result: 'success', seconds });
    }
    if (verdict === 'overstayed') {
      await tell(eventOf(input, 'MigrationFailed', overstayedOf(input)));
      return await countOutcome({ kind: 'migration', result: 'timeout', seconds });
    }
  }
}

/** Nobody but the two can tell which of them writes: so nothing is detached here. */
function overstayedOf({ volumeId, timeoutSeconds, migration }: WatchMigrationInput): string {
  const both = migration.nodeIds.join(' and ');
  return (
    `${volumeId} is still attached to ${both} after ${timeoutSeconds} s, and both may write to it. It is detached from neither by ` +
    `force, and attached to no third node. See on which of them the virtual machine runs, and delete the pod on the other`
  );
}

/** The migration that has begun since, if there is another one: its publish has found this run, and left it to it. */
async function findNext(input: WatchMigrationInput, news: News): Promise<MigrationDto | undefined> {
  const { nodeIds } = input.migration;
  const now = await findMigrating(input, news);
  const isOther = now !== undefined && !now.every((nodeId) => nodeIds.includes(nodeId));
  return isOther ? { ...input.migration, nodeIds: now } : undefined;
}

/** The nodes that write to the volume by the record: read again if there was news meanwhile. */
async function findMigrating(
  { volumeId, clusterId }: WatchMigrationInput,
  news: News,
): Promise<readonly string[] | undefined> {
  for (;;) {
    news.handled = news.heard;
    const { migratingNodeIds } = await array.findAttachments({ volumeId, clusterId });
    if (news.handled === news.heard) return migratingNodeIds;
  }
}

function eventOf(
  { volumeId, migration: { claim } }: WatchMigrationInput,
  reason: 'MigrationStarted' | 'MigrationCompleted' | 'MigrationFailed',
  message: string,
): ClusterEventDto {
  const type = reason === 'MigrationFailed' ? 'Warning' : 'Normal';
  return { reason, type, message, on: { volumeId, ...(claim && { claim }) } };
}
