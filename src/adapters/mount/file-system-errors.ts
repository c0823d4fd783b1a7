import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Mount } from '../../domain/mountinfo';
import type { FileSystemErrors } from './port';

/**
 * Errors that the kernel has counted for a mounted file system; undefined: none, or it counts none of that kind (xfs). A kernel of
 * today shows an ext4 that has refused to go on as mounted for writing all the same (Linux 6.12, and 6.1 of Debian): this tells.
 * Reads sysfs alone.
 */
export async function findErrors(
  sysRoot: string,
  { fileSystemType, source }: Mount,
): Promise<FileSystemErrors | undefined> {
  const device = path.basename(source);
  // ext3 is the ext4 driver's.
  if (fileSystemType === 'ext4' || fileSystemType === 'ext3')
    return await findErrorsOfExt(`${sysRoot}/fs/ext4/${device}`);
  if (fileSystemType === 'btrfs') return await findErrorsOfBtrfs(`${sysRoot}/fs/btrfs`, device);
  return undefined;
}

async function findErrorsOfExt(folder: string): Promise<FileSystemErrors | undefined> {
  const count = Number(await read(`${folder}/errors_count`));
  if (count === 0) return undefined;
  const lastSeconds = Number(await read(`${folder}/last_error_time`));
  return { count, lastMs: lastSeconds > 0 ? lastSeconds * 1_000 : undefined };
}

/** Lines of `write_errs 0`, for the device by its number in the file system: a volume has one. */
async function findErrorsOfBtrfs(root: string, device: string): Promise<FileSystemErrors | undefined> {
  for (const uuid of await namesIn(root)) {
    if (!(await namesIn(`${root}/${uuid}/devices`)).includes(device)) continue;
    const [id = ''] = await namesIn(`${root}/${uuid}/devinfo`);
    const lines = await read(`${root}/${uuid}/devinfo/${id}/error_stats`);
    const counts = lines.split('\n').map((line) => Number(/_errs ([0-9]+)$/.exec(line)?.[1] ?? 0));
    const count = counts.reduce((sum, each) => sum + each, 0);
    return count > 0 ? { count, lastMs: undefined } : undefined;
  }
  return undefined;
}

/** Empty where there is no such file: an old kernel, or a file system that goes just now. */
async function read(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim();
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
