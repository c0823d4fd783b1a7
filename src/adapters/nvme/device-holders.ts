import { Fault } from '../../domain/fault';
import { findDeviceNumbers } from '../../domain/nvme-sysfs';
import type { MountPort } from '../mount/port';
import type { DeviceTree } from './block-device';
import { exists, findAttribute, namesIn } from './sysfs';

/** What tells who uses a device. */
export interface HolderSources {
  readonly tree: DeviceTree;
  readonly mounts: Pick<MountPort, 'list'>;
}

/** Throws MountBusy, naming who holds the device or a partition of it. A disk in use is never pulled. */
export async function requireUnheld(sources: HolderSources, subject: string, deviceName: string): Promise<void> {
  const holders = await findHolders(sources, deviceName);
  if (holders.length > 0) throw new Fault('MountBusy', `${subject}: still in use: ${holders.join('; ')}`);
}

/** Who holds a device or a partition of it: device mapper and the like, mounts, and file systems mounted in other namespaces. */
async function findHolders({ tree, mounts }: HolderSources, deviceName: string): Promise<readonly string[]> {
  const names = [deviceName, ...(await partitionsOf(tree, deviceName))];
  const mounted = await mounts.list();
  const found: string[] = [];
  for (const name of names) {
    const folder = `${tree.sysRoot}/class/block/${name}`;
    for (const holder of await namesIn(`${folder}/holders`)) found.push(`${holder} is on ${name}`);
    const numbers = findDeviceNumbers((await findAttribute(`${folder}/dev`)) ?? '');
    const here = mounted.filter((mount) => mount.major === numbers?.major && mount.minor === numbers.minor);
    for (const { mountPoint } of here) found.push(`${name} is mounted at ${mountPoint}`);
    const fileSystem = here.length === 0 ? await findFileSystem(tree, name) : undefined;
    if (fileSystem !== undefined) found.push(`a ${fileSystem} on ${name} is mounted`);
  }
  return found;
}

async function partitionsOf(tree: DeviceTree, deviceName: string): Promise<readonly string[]> {
  const folder = `${tree.sysRoot}/block/${deviceName}`;
  const partitions: string[] = [];
  for (const name of await namesIn(folder)) {
    if (name.startsWith(deviceName) && (await exists(`${folder}/${name}/partition`))) partitions.push(name);
  }
  return partitions;
}

/**
 * The file system that lives on a device, by the kernel's list of those that are mounted in any namespace. mountinfo knows this
 * process's namespace alone, and shows btrfs under a number that is not its device's.
 */
async function findFileSystem(tree: DeviceTree, name: string): Promise<string | undefined> {
  const root = `${tree.sysRoot}/fs`;
  for (const fileSystem of ['ext4', 'xfs']) {
    if (await exists(`${root}/${fileSystem}/${name}`)) return fileSystem;
  }
  for (const uuid of await namesIn(`${root}/btrfs`)) {
    if (await exists(`${root}/btrfs/${uuid}/devices/${name}`)) return 'btrfs';
  }
  return undefined;
}
