import type { NodeId } from './nqn';
import type { Attachment } from './record';

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
