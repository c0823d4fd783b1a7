import { z } from 'zod';
import { toByteString } from '../script/bytes';
import type { DiskArray } from '../state/array';
import { fileName } from '../state/file-tree';

const size = z.union([z.number().int().nonnegative(), z.string().regex(/^\d+$/)]).default(1_073_741_824);
const values = z.record(z.string(), z.string()).default({});

/** Things in the array that no command of a driver left there whole. */
export const orphanSchema = z.discriminatedUnion('kind', [
  /** A disk whose backing file has gone. */
  z.strictObject({
    kind: z.literal('disk-without-file'),
    slot: z.string().min(1),
    filePath: z.string().min(1),
    sizeBytes: size,
    values,
  }),
  /** A file that no disk uses. */
  z.strictObject({ kind: z.literal('file-without-disk'), filePath: z.string().min(1), sizeBytes: size }),
  /** A disk that somebody else made; a file too if it has a path. */
  z.strictObject({
    kind: z.literal('foreign-disk'),
    slot: z.string().min(1),
    filePath: z.string().min(1).optional(),
    sizeBytes: size,
    values,
  }),
]);

export type OrphanRequest = z.input<typeof orphanSchema>;

function bytes(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toByteString(value)]));
}

/** Puts it there, past everything that a command would check. Throws if a setting is wrong. */
export function placeOrphan(array: DiskArray, request: OrphanRequest): void {
  const orphan = orphanSchema.parse(request);
  const sizeBytes = BigInt(orphan.sizeBytes);
  const path = orphan.filePath === undefined ? undefined : fileName(orphan.filePath, 'filePath');
  if (orphan.kind !== 'disk-without-file' && path !== undefined) {
    array.files.makeDirectory(path.slice(0, path.lastIndexOf('/')));
    array.files.grow(path, sizeBytes);
  }
  if (orphan.kind === 'file-without-disk') return;
  if (array.findDisk(orphan.slot)) throw new Error(`there is a disk ${orphan.slot}`);
  if (path === undefined) {
    array.addDisk(
      { type: 'hardware', slot: orphan.slot, ...bytes(orphan.values) },
      { size: sizeBytes.toString(), model: 'FOREIGN' },
    );
    return;
  }
  const file = { type: 'file', slot: orphan.slot, 'file-path': `/${path}`, 'file-size': sizeBytes.toString() };
  array.addDisk({ ...file, 'mount-filesystem': 'no', ...bytes(orphan.values) }, {});
}
