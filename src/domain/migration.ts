import { Fault } from './fault';
import type { NodeId } from './nqn';
import type { Attachment } from './record';
import { formatUntrusted } from './text';

/** How long two nodes may write to one volume for a live migration, in seconds, where nothing else is said. */
export const USUAL_MIGRATION_SECONDS = 300;
const LEAST_SECONDS = 30;
const MOST_SECONDS = 3_600;
const LARGEST_INT32 = 2 ** 31 - 1;

/**
 * `migrationTimeoutSeconds` of a StorageClass or a PersistentVolume. Clamped to 30 to 3600 rather than refused, as the existing
 * StorageClasses were written for a driver that does so. Throws InvalidArgument for what is no whole number.
 */
export function parseMigrationSeconds(text: string, field: string): number {
  const seconds = /^(?:0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= LARGEST_INT32)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is no whole number from 0 to ${LARGEST_INT32}`,
    );
  }
  return Math.min(Math.max(seconds, LEAST_SECONDS), MOST_SECONDS);
}

/** The two nodes that write to a raw block volume at once; undefined if there are no two. */
export function findMigration(attachments: readonly Attachment[]): readonly NodeId[] | undefined {
  const writers = attachments.filter(({ accessMode }) => accessMode === 'multi-node-multi-writer');
  return writers.length > 1 ? writers.map(({ nodeId }) => nodeId) : undefined;
}

/** What has become of a migration between two nodes, by the nodes that write to the volume now. */
export function judgeMigration({
  nodeIds,
  now,
  timeIsUp,
}: {
  readonly nodeIds: readonly string[];
  /** As `findMigration` says. */
  readonly now: readonly string[] | undefined;
  readonly timeIsUp: boolean;
}): 'under-way' | 'completed' | 'overstayed' {
  if (!now || !nodeIds.every((nodeId) => now.includes(nodeId))) return 'completed';
  return timeIsUp ? 'overstayed' : 'under-way';
}
