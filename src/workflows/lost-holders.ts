import type { ClaimDto } from '../contract/operations';
import { array, cluster } from './activities';
import { tellHoldersChanged } from './migration-watch';
import { tell } from './tell';

interface Clearing {
  /** Of the volume, where its record tells. */
  readonly claim: ClaimDto | undefined;
  /** Whether somebody has given way, or had done so already: attaching is worth another try. */
  readonly cleared: boolean;
}

/**
 * Clears those holders of a volume whose nodes are lost: gone from the cluster, or off by a person's word. To be called by who
 * holds the volume's workflow ID.
 */
export async function clearLostHolders(subject: {
  readonly volumeId: string;
  readonly clusterId: string;
}): Promise<Clearing> {
  const { volumeId, clusterId } = subject;
  const found = await array.findAttachments({ volumeId, clusterId });
  const { attachments, comment: judgedComment, claim, migratingNodeIds } = found;
  if (attachments.length === 0) return { claim, cleared: true };
  const { lost } = await cluster.findLostNodes({ nodeIds: attachments.map(({ nodeId }) => nodeId) });
  if (lost.length === 0) return { claim, cleared: false };
  const nodeIds = lost.map(({ nodeId }) => nodeId);
  await array.clearAttachments({ volumeId, clusterId, nodeIds, judgedComment });
  for (const { nodeId, why } of lost) {
    const message = `${volumeId} is no longer attached to ${nodeId}, ${WHY_LOST[why]}: its attachment was cleared`;
    const on = { volumeId, ...(claim && { claim }) };
    await tell({ reason: 'StaleAttachmentCleared', type: 'Warning', message, on });
  }
  if (migratingNodeIds) await tellHoldersChanged(volumeId);
  return { claim, cleared: true };
}

const WHY_LOST = {
  deleted: 'whose Node is gone from the cluster',
  'out-of-service': 'whose Node has the taint node.kubernetes.io/out-of-service',
} as const;
