import type { UnpublishVolumeInput } from '../contract/operations';
import { array } from './activities';

/** Detaches a volume from a node: the record on the disk does not name it. Needs neither the volume nor the node to exist. */
export async function unpublishVolume(input: UnpublishVolumeInput): Promise<void> {
  await array.detachVolume(input);
}
