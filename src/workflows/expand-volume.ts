import type { ExpandVolumeInput, SizeResult } from '../contract/operations';
import { array } from './activities';

/** Grows a volume's backing file. The file system on it is the node's business (expandNodeVolume). */
export async function expandVolume(input: ExpandVolumeInput): Promise<SizeResult> {
  return await array.growVolume(input);
}
