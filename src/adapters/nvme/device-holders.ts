import { Fault } from '../../domain/fault';
import { isMountOf } from '../../domain/mountinfo';
import { findDeviceNumbers } from '../../domain/nvme-sysfs';
import type { MountPort } from '../mount/port';
import type { DeviceTree } from './block-device';
import { exists, findAttribute, namesIn } from './sysfs';

/** What tells who uses a device. */
export interface HolderSources {
  readonly tree: DeviceTree;
  readonly mounts: Pick<MountPort, 'list'>;
}

/** Throws MountBusy, naming who holds one of the devices or a partition of one. A disk in use is never pulled. */
export async function requireUnheld(
  sources: HolderSources,
  subject: string,
  deviceNames: readonly string[],
): Promise<void> {
  const holders: string[] = [];
  for (const name of deviceNames) holders.push(...(await findHolders(sources, name)));
  if (holders.length > 0) throw new Fault('MountBusy', `${subject}: still in use: ${holders.join('; ')}`);
}

/** Who holds a device or a partition of it: device mapper and the like, mounts, and file systems mounted in other namespaces. */
async function findHolders({ tree, mounts }: HolderSources, deviceName: string): Promise<readonly string[]> {
  const names = [deviceName, ...(await partitionsOf(tree, deviceName))];
  const mounted = await mounts.list();
  const inKernel = await devicesWithFileSystem(tree);
  const found: string[] = [];
  for (const name of names) {
    const folder = `${tree.sysRoot}/class/block/${name}`;
    for (const holder of await namesIn(`${folder}/holders`)) found.push(`${holder} is on ${name}`);
    const numbers = findDeviceNumbers((await findAttribute(`${folder}/dev`)) ?? '');
    const device = { major: numbers?.major ?? -1, minor: numbers?.minor ?? -1, path: `${tree.devRoot}/${name}` };
    const here = mounted.filter((mount) => isMountOf(mount, device));
    for (const { mountPoint } of here) found.push(`${name} is mounted at ${mountPoint}`);
    const isElsewhere = here.length === 0 && inKernel.includes(name);
    if (isElsewhere) found.push(`${name} is mounted, in another mount namespace or as a device that is gone`);
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
 * Names of the devices with a file system that is mounted in any namespace, by the kernel's own lists: mountinfo knows this
 * process's namespace alone, and shows btrfs under a number that is not its device's. (ext3 is the ext4 driver's.)
 */
export async function devicesWithFileSystem(tree: DeviceTree): Promise<readonly string[]> {
  const root = `${tree.sysRoot}/fs`;
  const names = [...(await namesIn(`${root}/ext4`)), ...(await namesIn(`${root}/xfs`))];
  for (const uuid of await namesIn(`${root}/btrfs`)) names.push(...(await namesIn(`${root}/btrfs/${uuid}/devices`)));
  return names;
}
