import type { CreateVolumeInput, SizeResult } from '../contract/operations';
import { array } from './activities';

/** Makes a volume: one disk, one file, exported. Cancelled, it cleans nothing up: the delete that negates it does. */
export async function createVolume(input: CreateVolumeInput): Promise<SizeResult> {
  return await array.ensureVolume(input);
}
