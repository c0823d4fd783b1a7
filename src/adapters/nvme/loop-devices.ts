import { parseBackingFile } from '../../domain/nvme-sysfs';
import { findAttribute, namesIn } from './sysfs';

/** A loop device that has a file. */
export interface LoopDevice {
  /** `loop0`. */
  readonly name: string;
  /** The file has lost the name that it was opened by: which file it is cannot be told from outside. */
  readonly deleted: boolean;
  /** Told to go, it goes when the last who has it open closes it. */
  readonly leaving: boolean;
}

const LOOP = /^loop[0-9]+$/;

export function isLoopName(name: string): boolean {
  return LOOP.test(name);
}

/** The loop devices whose file was opened by this name, in the order of their numbers. */
export async function findLoops(sysRoot: string, backingPath: string): Promise<readonly LoopDevice[]> {
  const loops: LoopDevice[] = [];
  for (const name of await namesIn(`${sysRoot}/block`)) {
    if (!isLoopName(name)) continue;
    const backingFile = await findAttribute(`${sysRoot}/block/${name}/loop/backing_file`);
    if (backingFile === undefined) continue;
    const { path, deleted } = parseBackingFile(backingFile);
    if (path !== backingPath) continue;
    const autoclear = await findAttribute(`${sysRoot}/block/${name}/loop/autoclear`);
    loops.push({ name, deleted, leaving: autoclear === '1' });
  }
  return loops.toSorted((one, other) => Number(one.name.slice(4)) - Number(other.name.slice(4)));
}
