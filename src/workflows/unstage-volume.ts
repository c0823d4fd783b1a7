import type { UnstageVolumeInput } from '../contract/operations';
import { nodeActivitiesOf } from './node-activities';

/** Takes a volume off a node. OK only when the kernel shows neither a mount at the staging path nor a connection. */
export async function unstageVolume(input: UnstageVolumeInput): Promise<void> {
  await nodeActivitiesOf(input.nodeId).unstageVolume(input);
}
