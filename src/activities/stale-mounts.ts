import type { MountPort } from '../adapters/mount/port';
import type { Device } from '../adapters/nvme/port';
import type { Mount } from '../domain/mountinfo';
import type { VolumeId } from '../domain/volume-id';
import { isOf, mountsAt, type NodeParts } from './node-parts';

/**
 * Whether a mount is of a device that the kernel has given up: reads and writes fail for ever, also when the volume is connected
 * again. Its device then has another number, since a mount keeps the old one from being given out.
 */
export async function isStale(
  mounts: Pick<MountPort, 'hasDevice'>,
  device: Device | undefined,
  mount: Mount,
): Promise<boolean> {
  return !(device && isOf(device, mount)) && !(await mounts.hasDevice(mount));
}

interface Place {
  readonly volumeId: VolumeId;
  readonly mountPoint: string;
  /** The volume's device now. */
  readonly device: Device | undefined;
}

interface Remover extends Pick<NodeParts, 'staleMounts'> {
  readonly mounts: Pick<MountPort, 'list' | 'hasDevice' | 'unmount'>;
}

/**
 * Takes stale mounts away from a place of the volume's, and nothing else that is mounted there: what was written to them is lost
 * already. Returns whether there was one. Throws MountBusy.
 */
export async function removeStaleMounts(
  { mounts, staleMounts }: Remover,
  { volumeId, mountPoint, device }: Place,
): Promise<boolean> {
  for (let removed = false; ; removed = true) {
    const top = (await mountsAt(mounts, mountPoint)).at(-1);
    if (!top || !(await isStale(mounts, device, top))) return removed;
    staleMounts.found(volumeId, top);
    await mounts.unmount(mountPoint);
  }
}
