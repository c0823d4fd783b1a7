import type { Dirent } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Fault } from '../../domain/fault';
import type { VolumeId } from '../../domain/volume-id';
import type { MountPort } from '../mount/port';
import { createFileNotes } from './file-notes';
import type { StageTracesPort } from './port';

/** The kubelet writes it before it asks a driver to stage a volume, and takes it away when the volume is unstaged. */
const VOLUME_DATA = 'vol_data.json';
/** Beside it: where drivers mount. */
const STAGING = 'globalmount';
/** Below `kubernetes.io/csi`: `<driver>/<hash>`, of older kubelets `pv/<pv>`; of raw block `volumeDevices/<pv>/data`. */
const DEEPEST = 3;
/** Raw block is staged and published there: drivers may mount below, and the kubelet writes nothing there. */
const OF_DRIVERS = /^volumeDevices\/(?:staging|publish)(?:\/|$)/;
const GONE: readonly unknown[] = ['ENOENT', 'ENOTDIR'];

const schema = z.object({ volumeHandle: z.string() });

interface StageTracesOptions {
  readonly kubeletDir: string;
  readonly mounts: Pick<MountPort, 'list'>;
}

/** Looks below the kubelet's directory, and descends into no mount and no link there. */
export function createStageTraces({ kubeletDir, mounts }: StageTracesOptions): StageTracesPort {
  return {
    async find(volumeId) {
      // As mountinfo shows it.
      const plugins = path.join(await realpath(kubeletDir).catch(failed(kubeletDir)), 'plugins');
      const mountPoints = new Set((await mounts.list()).map(({ mountPoint }) => mountPoint));
      return [
        ...(await findNotes(plugins, volumeId)),
        ...(await findVolumeData({ root: path.join(plugins, 'kubernetes.io/csi'), mountPoints }, volumeId)),
      ];
    },
  };
}

/** Each deployment of this driver has its index in the folder of its name. */
async function findNotes(plugins: string, volumeId: VolumeId): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { name } of await entriesOf(plugins)) {
    const indexDir = path.join(plugins, name, 'stages');
    const note = await createFileNotes({ indexDir }).findOf(volumeId);
    if (note) found.push(`staged at ${note.stagingTargetPath}, says ${path.join(indexDir, volumeId)}`);
  }
  return found;
}

interface Tree {
  readonly root: string;
  readonly mountPoints: ReadonlySet<string>;
}

async function findVolumeData(tree: Tree, volumeId: VolumeId): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of await listVolumeData(tree, tree.root, 0)) {
    if ((await findVolumeHandle(file)) === volumeId) found.push(`staged by the kubelet, says ${file}`);
  }
  return found;
}

async function listVolumeData(tree: Tree, folder: string, depth: number): Promise<readonly string[]> {
  const files: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const place = path.join(folder, entry.name);
    if (entry.name === VOLUME_DATA) files.push(requireFile(entry, place));
    else if (depth < DEEPEST && entry.isDirectory() && !isOfDrivers(tree, place)) {
      if (tree.mountPoints.has(place))
        throw new Fault('NodeToolFailed', `${place} is a mount: what it hides is unknown`);
      files.push(...(await listVolumeData(tree, place, depth + 1)));
    }
  }
  return files;
}

function isOfDrivers({ root }: Tree, place: string): boolean {
  return path.basename(place) === STAGING || OF_DRIVERS.test(path.relative(root, place));
}

/** Undefined: it has gone meanwhile. */
async function findVolumeHandle(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(goneOr(file, undefined));
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text)).volumeHandle;
  } catch (error) {
    // The kubelet does not see to it that it is on the disk: after a power cut it may be empty.
    throw new Fault('NodeToolFailed', `${file} does not say which volume it is of`, { cause: error });
  }
}

function requireFile(entry: Dirent, file: string): string {
  if (entry.isFile()) return file;
  throw new Fault('NodeToolFailed', `${file} is no file`);
}

/** In a folder that is not there is nothing. */
async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  return await readdir(folder, { withFileTypes: true }).catch(goneOr<readonly Dirent[]>(folder, []));
}

function goneOr<T>(place: string, nothing: T): (error: NodeJS.ErrnoException) => T {
  return (error) => (GONE.includes(error.code) ? nothing : failed(place)(error));
}

function failed(place: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new Fault('NodeToolFailed', `${place} cannot be read: ${error.code}`, { cause: error });
  };
}
