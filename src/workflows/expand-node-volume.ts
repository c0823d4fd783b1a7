import type { ExpandNodeVolumeInput, SizeResult } from '../contract/operations';
import { nodeActivitiesOf } from './node-activities';

/** Grows the file system of a staged volume to its device, once the node sees the device's new size. */
export async function expandNodeVolume(input: ExpandNodeVolumeInput): Promise<SizeResult> {
  return await nodeActivitiesOf(input.nodeId).growFileSystem(input);
}
