import type { Answer } from './json-line';

/**
 * Whether a file (with its leading slash) is a copy, by the subvolumes that the answer shows: a snapshot holds one of each backing
 * file of its parent, and a read-only subvolume was received from elsewhere. No volume uses it, and it is not the driver's to take.
 */
export function copiesIn(answer: Answer): (path: string) => boolean {
  const folders = answer
    .rows('subvolumes')
    .filter((row) => row.text('parent') !== '' || row.flag('read-only'))
    .map((row) => `/${row.text('name')}/`);
  return (path) => folders.some((folder) => path.includes(folder));
}
