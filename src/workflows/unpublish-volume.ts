import type { UnpublishVolumeInput } from '../contract/operations';
import { array } from './activities';
import { tellHoldersChanged } from './migration-watch';

/** Detaches a volume from a node: the record on the disk does not name it. Needs neither the volume nor the node to exist. */
export async function unpublishVolume(input: UnpublishVolumeInput): Promise<void> {
  const detached = await array.detachVolume(input);
  if (detached?.mayEndMigration) await tellHoldersChanged(input.volumeId);
}
