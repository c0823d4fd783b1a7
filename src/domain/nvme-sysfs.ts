import { type Bytes, parseBytes } from './size';

/** What the kernel's tables say of block devices: their text in, values out. What does not read as it should is undefined, never guessed. */

/** A device's numbers, as the kernel knows it; names are for people. */
export interface DeviceNumbers {
  readonly major: number;
  readonly minor: number;
}

/** Documentation/ABI/stable/sysfs-block: sizes are in sectors of 512 bytes, whatever the device's own sectors are. */
const SECTOR_BYTES = 512n;
const NUMBERS = /^([0-9]{1,4}):([0-9]{1,7})$/;
/** 2^63 bytes are 2^54 sectors: 17 digits. */
const SECTORS = /^(?:0|[1-9][0-9]{0,16})$/;
const LARGEST_SECTORS = (2n ** 63n - 1n) / SECTOR_BYTES;
/** `nvme0c1n1` is a hidden path of a multipath device, `ng0n1` a character device: neither is to be used. */
const NAMESPACE = /^nvme[0-9]+n[0-9]+$/;
const CONTROLLER = /^nvme[0-9]+$/;
/** What the kernel puts behind the path of a file that has no name any more. */
const DELETED = ' (deleted)';

/** `259:3`, of an attribute `dev`. */
export function findDeviceNumbers(text: string): DeviceNumbers | undefined {
  const match = NUMBERS.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined;
}

/** Bytes, of an attribute `size`, which is in sectors of 512. */
export function findSizeBytes(text: string): Bytes | undefined {
  if (!SECTORS.test(text) || BigInt(text) > LARGEST_SECTORS) return undefined;
  return parseBytes(BigInt(text) * SECTOR_BYTES, 'size');
}

/** Numbers of a device node out of `st_rdev`, as glibc's `major` and `minor` have them. */
export function deviceNumbersOf(rdev: bigint): DeviceNumbers {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** Whether this is the name of an NVMe namespace that may be used: `nvme0n1`. */
export function isNamespaceName(name: string): boolean {
  return NAMESPACE.test(name);
}

/** Whether this is the name of an NVMe controller: `nvme0`. */
export function isControllerName(name: string): boolean {
  return CONTROLLER.test(name);
}

/** The path in a loop device's `backing_file`, and whether the file has lost that name meanwhile. */
export function parseBackingFile(text: string): { readonly path: string; readonly deleted: boolean } {
  const deleted = text.endsWith(DELETED);
  return { path: deleted ? text.slice(0, -DELETED.length) : text, deleted };
}
