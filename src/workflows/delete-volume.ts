import type { DeleteVolumeInput } from '../contract/operations';
import { array } from './activities';

/** Deletes a volume: export off, disk away, file away. OK only when disk and file are read back as gone. */
export async function deleteVolume(input: DeleteVolumeInput): Promise<void> {
  await array.removeVolume(input);
}
