import { lstat, readdir, readFile } from 'node:fs/promises';
import { Fault } from '../../domain/fault';
import { type DeviceNumbers, deviceNumbersOf } from '../../domain/nvme-sysfs';

/** What a read of sysfs answers when the object has gone, before or while it is read. */
const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO'];

/** An attribute's text without its line end; undefined: no such object, or none any more. Throws NodeToolFailed. */
export async function findAttribute(file: string): Promise<string | undefined> {
  return unlessGone(file, async () => (await readFile(file, 'utf8')).replace(/\n$/, ''));
}

/** Names in a folder, in order; none if there is no such folder. Throws NodeToolFailed. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await unlessGone(folder, async () => (await readdir(folder)).toSorted())) ?? [];
}

/** Whether there is anything of this name; a link counts by itself. Throws NodeToolFailed. */
export async function exists(path: string): Promise<boolean> {
  return (await unlessGone(path, () => lstat(path))) !== undefined;
}

/** The numbers of a block device's node, or undefined: nothing there, or something else. Throws NodeToolFailed. */
export async function nodeNumbersOf(path: string): Promise<DeviceNumbers | undefined> {
  const status = await unlessGone(path, () => lstat(path, { bigint: true }));
  return status?.isBlockDevice() ? deviceNumbersOf(status.rdev) : undefined;
}

/** "Cannot be read" is never taken for "not there". */
async function unlessGone<T>(path: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = errorCode(error);
    if (code !== undefined && GONE.includes(code)) return undefined;
    throw new Fault('NodeToolFailed', `${path} cannot be read: ${code ?? String(error)}`, { cause: error });
  }
}

/** The operating system's name of an error: `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
