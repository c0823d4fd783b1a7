import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '../../domain/fault';
import { parseFileSystem } from '../../domain/file-system';
import { parseNodeId, parseSubsystemNqn } from '../../domain/nqn';
import { parseVolumeId, type VolumeId } from '../../domain/volume-id';
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
  devicesAt: z.array(z.string()).default([]),
});

/**
 * Notes as JSON files beside the staging paths: `globalmount` has `globalmount.rds-csi.json`. Not inside: what is mounted there
 * would hide them. `indexDir` has a file for each volume that says where its note is.
 */
export function createFileNotes({ indexDir }: { readonly indexDir: string }): StageNotesPort {
  const indexOf = (volumeId: VolumeId): string => path.join(indexDir, volumeId);
  const find = async (stagingTargetPath: string): Promise<StageNote | undefined> => {
    const file = fileOf(stagingTargetPath);
    const text = await readIfThere(file);
    return text === undefined ? undefined : parseNote(text, file);
  };
  return {
    find,

    async findOf(volumeId) {
      const stagingTargetPath = await readIfThere(indexOf(volumeId));
      const note = stagingTargetPath === undefined ? undefined : await find(stagingTargetPath);
      return note?.volumeId === volumeId ? note : undefined;
    },

    async write(note) {
      await place(fileOf(note.stagingTargetPath), `${JSON.stringify({ version: 1, ...note })}\n`);
      await mkdir(indexDir, { recursive: true });
      await place(indexOf(note.volumeId), note.stagingTargetPath);
    },

    async setFormatting(volumeId, formatting) {
      await mkdir(indexDir, { recursive: true });
      if (formatting) await place(`${indexOf(volumeId)}.formatting`, '');
      else await rm(`${indexOf(volumeId)}.formatting`, { force: true });
    },

    async isFormatting(volumeId) {
      return (await readIfThere(`${indexOf(volumeId)}.formatting`)) !== undefined;
    },

    async remove({ volumeId, stagingTargetPath }) {
      const index = indexOf(volumeId);
      if ((await readIfThere(index)) === stagingTargetPath) await rm(index, { force: true });
      const file = fileOf(stagingTargetPath);
      await rm(file, { force: true });
      await rm(`${file}.new`, { force: true });
    },
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new Fault('NodeToolFailed', `${file} cannot be read: ${error.code}`, { cause: error });
  });
}

/** In one step, and on the disk when it returns. */
async function place(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  try {
    const handle = await open(draft, 'w', 0o600);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(draft, file);
    await syncFolder(path.dirname(file));
  } catch (error) {
    throw new Fault('NodeToolFailed', `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

function fileOf(stagingTargetPath: string): string {
  return `${stagingTargetPath}.rds-csi.json`;
}

/** Without it a power cut could take the new name away again. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync();
  await handle.close();
}

function parseNote(text: string, file: string): StageNote {
  try {
    const { version: _version, connectedBy, mountedBy, ...note } = schema.parse(JSON.parse(text));
    return { ...note, connectedBy, mountedBy };
  } catch (error) {
    throw new Fault('NodeToolFailed', `${file} is no note of a stage: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError)
    return error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
  return error instanceof Error ? error.message : String(error);
}
