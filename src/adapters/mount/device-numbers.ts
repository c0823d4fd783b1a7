import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '../../domain/fault';
import type { Mount } from '../../domain/mountinfo';
import { messageOf } from './proc';

const NVME_DEVICE = /^\/dev\/nvme[0-9]+n[0-9]+$/;

export interface DeviceNumbers {
  readonly major: number;
  readonly minor: number;
}

/** A block device's numbers. Looks at its node in /dev alone, and not at the device. Throws NodeToolFailed if it is none. */
export async function numbersOf(devicePath: string): Promise<DeviceNumbers> {
  const { isBlockDevice, rdev } = await stat(devicePath, { bigint: true }).then(
    (status) => ({ isBlockDevice: status.isBlockDevice(), rdev: status.rdev }),
    (error: unknown) => {
      throw new Fault('NodeToolFailed', `${devicePath}: ${messageOf(error)}`);
    },
  );
  if (!isBlockDevice) throw new Fault('NodeToolFailed', `${devicePath} is no block device`);
  return parseDeviceNumber(rdev);
}

/** dev_t as the C library packs it (makedev(3)). */
export function parseDeviceNumber(rdev: bigint): DeviceNumbers {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** Whether a mount is of that device. btrfs shows numbers of its own (major 0): there the device's name has to do. */
export function isMountOf(mount: Mount, device: DeviceNumbers & { readonly devicePath: string }): boolean {
  if (mount.fileSystemType === 'btrfs') return mount.source === device.devicePath;
  return mount.major === device.major && mount.minor === device.minor;
}

/** Whether the kernel lists the device of a mount. A list that cannot be read tells nothing: NodeToolFailed. */
export async function hasDevice(sysRoot: string, { fileSystemType, major, minor, source }: Mount): Promise<boolean> {
  if (fileSystemType === 'btrfs') {
    // Its mounts have numbers of their own. Other names than NVMe's (/dev/mapper/…) are not sysfs's.
    if (!NVME_DEVICE.test(source)) return true;
    return (await namesIn(`${sysRoot}/class/block`)).includes(path.basename(source));
  }
  return major === 0 || (await namesIn(`${sysRoot}/dev/block`)).includes(`${major}:${minor}`);
}

/** Never empty: a machine without any block device has no mount of one either. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch((error: unknown) => {
    throw new Fault('NodeToolFailed', `${folder}: ${messageOf(error)}`);
  });
}
