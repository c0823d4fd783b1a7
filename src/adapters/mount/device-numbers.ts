import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '../../domain/fault';
import type { Mount } from '../../domain/mountinfo';
import { type DeviceNumbers, deviceNumbersOf } from '../../domain/nvme-sysfs';
import { messageOf } from './proc';

const NVME_DEVICE = /^\/dev\/nvme[0-9]+n[0-9]+$/;

/** A block device's numbers. Looks at its node in /dev alone, and not at the device. Throws NodeToolFailed if it is none. */
export async function numbersOf(devicePath: string): Promise<DeviceNumbers> {
  const { isBlockDevice, rdev } = await stat(devicePath, { bigint: true }).then(
    (status) => ({ isBlockDevice: status.isBlockDevice(), rdev: status.rdev }),
    (error: unknown) => {
      throw new Fault('NodeToolFailed', `${devicePath}: ${messageOf(error)}`);
    },
  );
  if (!isBlockDevice) throw new Fault('NodeToolFailed', `${devicePath} is no block device`);
  return deviceNumbersOf(rdev);
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
