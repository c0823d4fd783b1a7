import type { PublishVolumeInput } from '../contract/operations';
import { array, cluster } from './activities';

/** Attaches a volume to a node: the node exists, and the record on the disk names it. */
export async function publishVolume(input: PublishVolumeInput): Promise<void> {
  await cluster.requireNode({ nodeId: input.attachment.nodeId });
  await array.attachVolume(input);
}
