import type { RepairDto, RepairResult, RepairVolumeInput } from '../contract/reconcile';
import { array, clusterLists, reconciler } from './activities';
import { tellHoldersChanged } from './migration-watch';
import { tell } from './tell';

type RepairOf<Kind extends RepairDto['kind']> = Extract<RepairDto, { readonly kind: Kind }>;

/**
 * Puts one thing right on a volume, under the volume's own lock: what reconcile has seen from afar is looked at once more, and left
 * alone if it is not so any more. Whoever calls for the volume meanwhile cancels it.
 */
export async function repairVolume(input: RepairVolumeInput): Promise<RepairResult> {
  const { repair } = input;
  if (repair.kind === 'clear-attachments') return await clearAttachments(input, repair);
  return repair.kind === 'restore-export' ? await restoreExport(input) : await deleteOrphan(input);
}

async function clearAttachments(
  { volumeId, clusterId }: RepairVolumeInput,
  { stale: suspects }: RepairOf<'clear-attachments'>,
): Promise<RepairResult> {
  const suspected = suspects.map(({ nodeId }) => nodeId);
  const found = await reconciler.confirmStale({ volumeId, clusterId, nodeIds: suspected });
  const { named, stale, comment, claim, migratingNodeIds } = found;
  if (named === 0) return { done: false, what: `${volumeId}: given back meanwhile` };
  if (stale.length === 0) return { done: false, what: `${volumeId}: ${suspected.join(', ')} may have it after all` };
  const nodeIds = stale.map(({ nodeId }) => nodeId);
  // Only while the record still is the one that this was found of.
  await array.clearAttachments({ volumeId, clusterId, nodeIds, judgedComment: comment });
  if (migratingNodeIds) await tellHoldersChanged(volumeId);
  const what = `${volumeId}: cleared from ${stale.map(formatStale).join(', ')}`;
  const message = `${what}; it can be attached to another node now`;
  await tell({
    reason: 'StaleAttachmentCleared',
    type: 'Warning',
    message,
    on: { volumeId, ...(claim ? { claim } : {}) },
  });
  return { done: true, what };
}

function formatStale({ nodeId, why }: { readonly nodeId: string; readonly why: string }): string {
  return `${nodeId} (${why === 'node-deleted' ? 'the node is gone from the cluster' : 'no VolumeAttachment backs it'})`;
}

async function restoreExport({ volumeId, clusterId }: RepairVolumeInput): Promise<RepairResult> {
  const { state } = await array.ensureExport({ volumeId, clusterId });
  if (state === 'restored') return { done: true, what: `${volumeId}: its export was off, and is on again` };
  const disabled = `${volumeId}: its disk was disabled on the RDS by hand, and is left so: enable it there`;
  return { done: false, what: state === 'disabled' ? disabled : `${volumeId}: its export needs nothing any more` };
}

async function deleteOrphan({ volumeId, clusterId }: RepairVolumeInput): Promise<RepairResult> {
  const { known } = await clusterLists.findPersistentVolume({ volumeId });
  if (known) return { done: false, what: `${volumeId}: a PersistentVolume is about it after all` };
  // Refuses what is attached, another cluster's, or without this cluster's record.
  await array.removeOrphan({ volumeId, clusterId });
  const what = `${volumeId}: deleted, no PersistentVolume was about it`;
  await tell({ reason: 'OrphanCleaned', type: 'Normal', message: what, on: { kind: 'Controller' } });
  return { done: true, what };
}
