import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '../../domain/fault';
import { parseFileSystem } from '../../domain/file-system';
import { parseNodeId, parseSubsystemNqn } from '../../domain/nqn';
import { findVolumeId, parseVolumeId, type VolumeId } from '../../domain/volume-id';
import type { StageNote, StageNotesPort } from './port';

const schema = z.object({
  version: z.literal(1),
  volumeId: z.string().transform((text) => parseVolumeId(text)),
  nodeId: z.string().transform((text) => parseNodeId(text, 'nodeId')),
  nqn: z.string().transform((text) => parseSubsystemNqn(text, 'nqn')),
  stagingTargetPath: z.string(),
  mode: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('block'), readOnly: z.boolean() }),
    z.object({
      kind: z.literal('mount'),
      fileSystem: z.string().transform((text) => parseFileSystem(text, 'fileSystem')),
      mountFlags: z.array(z.string()),
      readOnly: z.boolean(),
    }),
  ]),
  connectedBy: z.string().optional(),
  mountedBy: z.string().optional(),
  madeBy: z.string().optional(),
  devicesAt: z.array(z.string()).default([]),
  readOnlyAt: z.array(z.string()).default([]),
});

/** Between the paths in an index: no path holds it. */
const SEPARATOR = '\0';

/**
 * Notes as JSON files beside the staging paths: `globalmount` has `globalmount.rds-csi.json`. Not inside: what is mounted there
 * would hide them. `indexDir` has a file for each volume that says where its notes are, the latest one last; some may
 * be gone.
 */
export function createFileNotes({ indexDir }: { readonly indexDir: string }): StageNotesPort {
  const indexOf = (volumeId: VolumeId): string => path.join(indexDir, volumeId);
  const find = async (stagingTargetPath: string): Promise<StageNote | undefined> => {
    const file = fileOf(stagingTargetPath);
    const text = await readIfThere(file);
    return text === undefined ? undefined : parseNote(text, file);
  };
  const placesOf = async (volumeId: VolumeId): Promise<readonly string[]> =>
    (await readIfThere(indexOf(volumeId)))?.split(SEPARATOR) ?? [];
  /** Staging paths of the volume's notes, but for one. */
  const othersOf = async ({ volumeId, stagingTargetPath }: NotePlace): Promise<readonly string[]> => {
    const others: string[] = [];
    for (const each of await placesOf(volumeId)) {
      if (each !== stagingTargetPath && (await readIfThere(fileOf(each))) !== undefined) others.push(each);
    }
    return others;
  };
  const findOf = async (volumeId: VolumeId): Promise<StageNote | undefined> => {
    // Not the last of all: a note that cannot be read shall not make a later one of no use.
    for (const stagingTargetPath of (await placesOf(volumeId)).toReversed()) {
      const note = await find(stagingTargetPath);
      if (note?.volumeId === volumeId) return note;
    }
    return undefined;
  };
  return {
    find,
    findOf,

    async list() {
      const notes = await Promise.all((await volumesIn(indexDir)).map((each) => findOf(each).catch(() => undefined)));
      return notes.filter((note) => note !== undefined);
    },

    async listOf(volumeId) {
      const notes = await Promise.all((await placesOf(volumeId)).map((each) => find(each)));
      return notes.filter((note) => isOfVolume(note, volumeId));
    },

    listWithDeviceAt: (path) => listWithDeviceAt(path, { indexDir, find, placesOf }),

    async write(note) {
      await place(fileOf(note.stagingTargetPath), `${JSON.stringify({ version: 1, ...note })}\n`);
      await makeFolder(indexDir);
      await place(indexOf(note.volumeId), [...(await othersOf(note)), note.stagingTargetPath].join(SEPARATOR));
    },

    async setFormatting(volumeId, formatting) {
      await makeFolder(indexDir);
      if (formatting) await place(`${indexOf(volumeId)}.formatting`, '');
      else await rm(`${indexOf(volumeId)}.formatting`, { force: true });
    },

    async isFormatting(volumeId) {
      return (await readIfThere(`${indexOf(volumeId)}.formatting`)) !== undefined;
    },

    async remove({ volumeId, stagingTargetPath }) {
      const others = await othersOf({ volumeId, stagingTargetPath });
      if (others.length === 0) await rm(indexOf(volumeId), { force: true });
      // Taking a failed stage back must not need room on the disk: looking passes over a path that stays here.
      else await place(indexOf(volumeId), others.join(SEPARATOR)).catch(() => undefined);
      const file = fileOf(stagingTargetPath);
      await rm(file, { force: true });
      await rm(`${file}.new`, { force: true });
    },
  };
}

function isOfVolume(note: StageNote | undefined, volumeId: VolumeId): note is StageNote {
  return note?.volumeId === volumeId;
}

interface Index {
  readonly indexDir: string;
  readonly find: (stagingTargetPath: string) => Promise<StageNote | undefined>;
  readonly placesOf: (volumeId: VolumeId) => Promise<readonly string[]>;
}

async function listWithDeviceAt(path: string, { indexDir, find, placesOf }: Index): Promise<readonly StageNote[]> {
  const notes: StageNote[] = [];
  for (const volumeId of await volumesIn(indexDir)) {
    const found = await Promise.all((await placesOf(volumeId)).map((each) => find(each).catch(() => undefined)));
    notes.push(
      ...found.filter((note) => isOfVolume(note, volumeId)).filter(({ devicesAt }) => devicesAt.includes(path)),
    );
  }
  return notes;
}

type NotePlace = Pick<StageNote, 'volumeId' | 'stagingTargetPath'>;

async function readIfThere(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new Fault('NodeToolFailed', `${file} cannot be read: ${error.code}`, { cause: error });
  });
}

/** Volumes that have an index; marks and drafts are beside them. */
async function volumesIn(indexDir: string): Promise<readonly VolumeId[]> {
  const names = await readdir(indexDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Fault('NodeToolFailed', `${indexDir} cannot be read: ${error.code}`, { cause: error });
  });
  return names.flatMap((name) => findVolumeId(name) ?? []);
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new Fault('NodeToolFailed', `${folder} cannot be made: ${reasonOf(error)}`, { cause: error });
  }
}

/** In one step, and on the disk when it returns. A draft that cannot be finished leaves nothing. */
async function place(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  try {
    await writeSynced(draft, text);
    await rename(draft, file);
    await syncFolder(path.dirname(file));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new Fault('NodeToolFailed', `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fileOf(stagingTargetPath: string): string {
  return `${stagingTargetPath}.rds-csi.json`;
}

/** Without it a power cut could take the new name away again. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseNote(text: string, file: string): StageNote {
  try {
    const { version: _version, connectedBy, mountedBy, madeBy, ...note } = schema.parse(JSON.parse(text));
    return { ...note, connectedBy, mountedBy, madeBy };
  } catch (error) {
    throw new Fault('NodeToolFailed', `${file} is no note of a stage: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError)
    return error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
  return error instanceof Error ? error.message : String(error);
}
