import type { Mount } from '../adapters/mount/port';
import type { Device } from '../adapters/nvme/port';
import { Fault } from '../domain/fault';
import { parseFileSystem } from '../domain/file-system';
import { hasTurnedReadOnly, isReadOnly } from '../domain/mountinfo';
import { type Bytes, formatBytes } from '../domain/size';
import type { VolumeId } from '../domain/volume-id';
import { isOf, type NodeParts, nqnOf, turnedReadOnly } from './node-parts';

interface GrowWish {
  readonly volumeId: VolumeId;
  readonly volumePath: string;
  readonly leastBytes: Bytes | undefined;
}

/** Device and file system grow to what the RDS has given the volume. Throws NotStaged, NodeTimeout. */
export async function growVolume(parts: NodeParts, { volumeId, volumePath, leastBytes }: GrowWish): Promise<Device> {
  const { connector, fileSystems, mounts } = parts;
  const nqn = await nqnOf(parts, undefined, volumeId);
  const device = await connector.rescan(nqn, leastBytes);
  if (!device) throw new Fault('NotStaged', `${volumeId} is not connected to this node`);
  if (leastBytes !== undefined && device.sizeBytes < leastBytes) {
    const sizes = `${formatBytes(device.sizeBytes)}, not yet ${formatBytes(leastBytes)}`;
    throw new Fault('NodeTimeout', `${volumeId}: this node sees ${sizes}`);
  }
  const mounted = (await mounts.list()).filter((mount) => isOf(device, mount));
  const here = mounted.find((mount) => !isReadOnly(mount));
  await requireThere(parts, { volumeId, volumePath, mounted });
  const turned = here ? undefined : mounted.find(hasTurnedReadOnly);
  if (turned) throw turnedReadOnly(volumeId, turned);
  // Raw block, or read-only everywhere: the device has grown, and there is nothing else to grow.
  if (!here) return device;
  const fileSystem = parseFileSystem(here.fileSystemType, 'file system');
  await fileSystems.grow({ devicePath: device.path, mountPoint: here.mountPoint, fileSystem });
  return device;
}

interface Place {
  readonly volumeId: VolumeId;
  readonly volumePath: string;
  readonly mounted: readonly Mount[];
}

async function requireThere({ paths }: NodeParts, { volumeId, volumePath, mounted }: Place): Promise<void> {
  if (mounted.some(({ mountPoint }) => mountPoint === volumePath)) return;
  if ((await paths.find(volumePath))?.kind === 'block-device') return;
  throw new Fault('VolumeNotFound', `${volumeId} is not at ${volumePath}`);
}
