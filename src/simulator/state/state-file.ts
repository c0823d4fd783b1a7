import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { hasCode } from '../error-code';

const texts = z.record(z.string(), z.string());

const diskSchema = z.object({
  id: z.string().regex(/^\*[0-9A-F]+$/),
  /** Arguments that were given, as text. */
  values: texts,
  /** What the device says of itself, as text: `size`, `fs`, `model` … */
  fixed: texts,
});

const subvolumeSchema = z.object({
  id: z.string().regex(/^\*[0-9A-F]+$/),
  /** Slot of the pool. */
  pool: z.string(),
  name: z.string(),
  uuid: z.string(),
  parent: z.string(),
  readOnly: z.boolean(),
  created: z.string(),
});

const stateSchema = z.object({
  version: z.literal(1),
  identity: z.string(),
  nextId: z.number().int().positive(),
  disks: z.array(diskSchema),
  subvolumes: z.array(subvolumeSchema),
});

export type DiskRecord = z.infer<typeof diskSchema>;
export type SubvolumeRecord = z.infer<typeof subvolumeSchema>;
export type ArrayState = z.infer<typeof stateSchema>;

/** What outlives the program, in one JSON file. A kill at any moment leaves the old or the new one, whole. */
export class StateFile {
  private readonly file: string;

  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.file = path.join(folder, 'state.json');
  }

  /** Undefined in a new folder. Throws if the file is not this program's. */
  read(): ArrayState | undefined {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
    const parsed = stateSchema.safeParse(JSON.parse(text));
    if (!parsed.success)
      throw new Error(`${this.file} is not a state of the simulator: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  }

  write(state: ArrayState): void {
    writeWhole(this.file, `${JSON.stringify(state)}\n`);
  }
}

/** Writes beside the file, makes sure that it is on the disk, and puts it in the file's place. */
export function writeWhole(file: string, text: string): void {
  const beside = `${file}.new`;
  rmSync(beside, { force: true });
  const handle = openSync(beside, 'wx', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
  const folder = openSync(path.dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
