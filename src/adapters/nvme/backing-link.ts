import { link, lstat, mkdir, realpath, unlink } from 'node:fs/promises';
import { Fault } from '../../domain/fault';
import type { NodeId, SubsystemNqn } from '../../domain/nqn';
import { errorCode, namesIn } from './sysfs';

/** A file's identity: two names of one file have the same. */
interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * The names that a node gives the backing files it uses: hard links `<link root>/<node ID>/<NQN>`. A loop device shows the name
 * that it was opened by, with symbolic links resolved, so a hard link is what tells one node's device on a file from another's
 * on the same file, and its NQN, after any restart, without a record beside it.
 */
export interface BackingLinks {
  /** The name for an NQN, as a loop device would show it. The folder is made if it was not there. */
  pathOf(nqn: SubsystemNqn): Promise<string>;
  /** The NQNs that there are names for. */
  list(): Promise<readonly string[]>;
  /** Whether the name is one of this file. */
  isOf(path: string, image: FileIdentity): Promise<boolean>;
  /** The name is one of this file; one of another file, which no device uses any more, makes way. */
  ensure(path: string, imagePath: string, image: FileIdentity): Promise<void>;
  /** The name is gone; the file itself keeps its other names. */
  remove(path: string): Promise<void>;
}

/** `linkRoot` must be on the file system of the backing files, and outside of what the RDS lists. */
export function createBackingLinks(linkRoot: string, nodeId: NodeId): BackingLinks {
  const isOf = async (path: string, image: FileIdentity): Promise<boolean> => {
    const found = await findFile(path);
    return found !== undefined && found.dev === image.dev && found.ino === image.ino;
  };
  return {
    isOf,

    list: () => namesIn(`${linkRoot}/${nodeId}`),

    async pathOf(nqn) {
      // Both are file names as they are: [A-Za-z0-9.:_-], at most 253 characters, beginning with neither dot nor dash.
      const folder = `${linkRoot}/${nodeId}`;
      return attempt(folder, async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        return `${await realpath(folder)}/${nqn}`;
      });
    },

    async ensure(path, imagePath, image) {
      if (await isOf(path, image)) return;
      await removeFile(path);
      await attempt(path, () => link(imagePath, path));
      if (!(await isOf(path, image))) throw new Fault('ConnectFailed', `${imagePath} was replaced meanwhile`);
    },

    remove: removeFile,
  };
}

/** A regular file, not followed through a link; undefined: nothing there, or something else. */
export async function findFile(path: string): Promise<(FileIdentity & { readonly sizeBytes: bigint }) | undefined> {
  try {
    const { dev, ino, size, ...status } = await statusOf(path);
    return status.isFile ? { dev, ino, sizeBytes: size } : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw failure(path, error);
  }
}

async function statusOf(path: string) {
  const status = await lstat(path, { bigint: true });
  return { dev: status.dev, ino: status.ino, size: status.size, isFile: status.isFile() };
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isAbsent(error)) throw failure(path, error);
  }
}

async function attempt<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw failure(path, error);
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
}

function failure(path: string, error: unknown): Fault {
  const code = errorCode(error) ?? String(error);
  const why = code === 'EXDEV' ? 'is on another file system than the backing file' : `cannot be made or read: ${code}`;
  return new Fault('NodeToolFailed', `${path} ${why}`, { cause: error });
}
