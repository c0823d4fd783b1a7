import { type BigIntStats, constants } from 'node:fs';
import { lstat, mkdir, open, realpath, rmdir, unlink } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { Fault } from '../../domain/fault';
import { findTopmost, isAtOrBelow, type Mount } from '../../domain/mountinfo';
import { deviceNumbersOf } from '../../domain/nvme-sysfs';
import { formatUntrusted } from '../../domain/text';
import type { ProcessLanesPort, ProcessPort } from '../process/port';
import { createMounts } from './mounts';
import type { MountPort, PathEntry, PathsPort } from './port';
import { codeOf, messageOf } from './proc';

const MKNOD_LIMIT_MS = 20_000;
const DIRECTORY_MODE = 0o750;
const FILE_MODE = 0o640;
const DEVICE_MODE = '0600';
/** PATH_MAX of Linux, with its NUL. */
const LONGEST_PATH_BYTES = 4_095;
const LONGEST_SEGMENT_BYTES = 255;

type Mounts = Pick<MountPort, 'list' | 'stats'>;

interface PathsOptions {
  readonly processes: ProcessLanesPort;
  /** Undefined: those of this process. */
  readonly mounts?: Mounts;
}

type DeviceNode = Parameters<PathsPort['ensureDeviceNode']>[0];

/** Places in the node's own directories. What is mounted there is known from mountinfo and never touched. */
export function createPaths({ processes, mounts = createMounts({ processes }) }: PathsOptions): PathsPort {
  const find = async (path: string): Promise<PathEntry | undefined> => {
    requireNormal(path);
    const all = await mounts.list();
    if (!(await hasPlainParents({ path, all, mounts }))) return undefined;
    if (findTopmost(all, path)) return { kind: 'mount-point' };
    const status = await findStatus(path);
    return status && entryOf(status);
  };
  return {
    find,
    ensureDirectory: (path) => ensureDirectory({ path, find }),
    ensureFile: (path) => ensureFile({ path, find }),
    ensureDeviceNode: (node) => ensureDeviceNode({ processes, node, find }),
    remove: (path) => remove({ path, find, mounts }),
    resolveBelow: (path, root, field) => resolveBelow({ path, root, field, mounts }),
  };
}

type Find = PathsPort['find'];

async function ensureDirectory({ path, find }: { readonly path: string; readonly find: Find }): Promise<void> {
  const folders = (await find(path)) === undefined ? parentsOf(path) : [];
  for (const folder of [...folders, path]) {
    const entry = await find(folder);
    if (entry === undefined) await make(() => mkdir(folder, { mode: DIRECTORY_MODE }), folder);
    else if (entry.kind !== 'directory' && entry.kind !== 'mount-point') throw notOurs(folder, entry, 'a directory');
  }
  const made = await find(path);
  if (made?.kind !== 'directory' && made?.kind !== 'mount-point') throw notOurs(path, made, 'a directory');
}

async function ensureFile({ path, find }: { readonly path: string; readonly find: Find }): Promise<void> {
  if ((await find(path)) === undefined) {
    await make(
      async () => (await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, FILE_MODE)).close(),
      path,
    );
  }
  const made = await find(path);
  if (made?.kind === 'mount-point') return;
  if (made?.kind !== 'file') throw notOurs(path, made, 'an empty file');
  await requireEmptyFile(path);
}

async function ensureDeviceNode({
  processes,
  node: { path, major, minor },
  find,
}: {
  readonly processes: ProcessPort;
  readonly node: DeviceNode;
  readonly find: Find;
}): Promise<void> {
  if ((await find(path)) === undefined) {
    const args = ['-m', DEVICE_MODE, '--', path, 'b', String(major), String(minor)];
    const { exitCode, stderr } = await processes.run({
      file: 'mknod',
      args,
      limitMs: MKNOD_LIMIT_MS,
      lane: `making ${path}`,
    });
    if (exitCode !== 0)
      throw new Fault('NodeToolFailed', `${path}: mknod ended with exit code ${exitCode}: ${stderr.trim()}`);
  }
  const made = await find(path);
  if (made?.kind === 'block-device' && made.major === major && made.minor === minor) return;
  throw notOurs(path, made, `the block device ${major}:${minor}`);
}

async function remove({
  path,
  find,
  mounts,
}: {
  readonly path: string;
  readonly find: Find;
  readonly mounts: Pick<MountPort, 'list'>;
}): Promise<void> {
  const entry = await find(path);
  const mounted = (await mounts.list()).find(({ mountPoint }) => isAtOrBelow(mountPoint, path));
  if (mounted) throw new Fault('MountBusy', `${path} is not removed: ${mounted.mountPoint} is mounted`);
  if (entry === undefined) return;
  if (entry.kind === 'directory') return take(() => rmdir(path), path);
  if (entry.kind === 'file') await requireEmptyFile(path);
  else if (entry.kind !== 'block-device') {
    throw notOurs(path, entry, 'an empty directory, an empty file or a block device');
  }
  await take(() => unlink(path), path);
}

async function requireEmptyFile(path: string): Promise<void> {
  const status = await findStatus(path);
  if (status && status.size > 0n) {
    throw new Fault('PathNotOurs', `${path}: a file of ${status.size} bytes is there, not an empty one`);
  }
}

async function resolveBelow({
  path,
  root,
  field,
  mounts,
}: {
  readonly path: string;
  readonly root: string;
  readonly field: string;
  readonly mounts: Mounts;
}): Promise<string> {
  const refuse = (why: string) => new Fault('InvalidArgument', `${field}: ${formatUntrusted(path)} ${why}`);
  if (path === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) throw refuse(`has more than ${LONGEST_PATH_BYTES} bytes`);
  if (path.split('/').some((segment) => Buffer.byteLength(segment) > LONGEST_SEGMENT_BYTES)) {
    throw refuse(`has a segment of more than ${LONGEST_SEGMENT_BYTES} bytes`);
  }
  if (path.includes('\0')) throw refuse('holds a NUL');
  if (!path.startsWith('/')) throw refuse('is not absolute');
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  if (normalize(trimmed) !== trimmed) throw refuse('has an empty segment, "." or ".."');
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw new Fault('NodeToolFailed', `${root}: ${messageOf(error)}`);
  });
  const base = [root, realRoot].find((folder) => trimmed !== folder && isAtOrBelow(trimmed, folder));
  if (base === undefined) throw refuse(`is not below ${root}`);
  const resolved = join(realRoot, trimmed.slice(base.length));
  const all = await mounts.list();
  const link = await findOddParent({ path: resolved, all, mounts });
  if (link) throw refuse(`goes over ${link.path}, which is ${link.what}`);
  if (!findTopmost(all, resolved) && (await findStatus(resolved))?.isSymbolicLink()) throw refuse('is a link');
  return resolved;
}

interface Walk {
  readonly path: string;
  readonly all: readonly Mount[];
  readonly mounts: Pick<MountPort, 'stats'>;
}

/** Whether the directories above are all there. Throws PathNotOurs if one of them is something else. */
async function hasPlainParents(walk: Walk): Promise<boolean> {
  const odd = await findOddParent(walk);
  if (odd) throw new Fault('PathNotOurs', `${walk.path} goes over ${odd.path}, which is ${odd.what}`);
  const nearest = parentsOf(walk.path).at(-1);
  return (
    nearest === undefined || findTopmost(walk.all, nearest) !== undefined || (await findStatus(nearest)) !== undefined
  );
}

/**
 * The first above that is no directory. A mount point is none of them, and is not touched itself; what lies below it is looked at
 * only after its file system has answered in another process.
 */
async function findOddParent({
  path,
  all,
  mounts,
}: Walk): Promise<{ readonly path: string; readonly what: string } | undefined> {
  for (const folder of parentsOf(path)) {
    if (findTopmost(all, folder)) {
      await mounts.stats(folder);
      continue;
    }
    const status = await findStatus(folder);
    if (status === undefined) return undefined;
    if (!status.isDirectory()) return { path: folder, what: describe(entryOf(status)) };
  }
  return undefined;
}

/** `/a/b/c` → `/a`, `/a/b`. */
function parentsOf(path: string): readonly string[] {
  const segments = path.split('/').slice(1, -1);
  return segments.map((_, index) => `/${segments.slice(0, index + 1).join('/')}`);
}

async function findStatus(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new Fault('NodeToolFailed', `${path}: ${messageOf(error)}`);
  }
}

function entryOf(status: BigIntStats): PathEntry {
  if (status.isBlockDevice()) return { kind: 'block-device', ...deviceNumbersOf(status.rdev) };
  if (status.isSymbolicLink()) return { kind: 'link' };
  if (status.isDirectory()) return { kind: 'directory' };
  return { kind: status.isFile() ? 'file' : 'other' };
}

/** Somebody else may make the same thing meanwhile: who calls looks at what is there afterwards. */
async function make(act: () => Promise<unknown>, path: string): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new Fault('NodeToolFailed', `${path}: ${messageOf(error)}`);
  }
}

async function take(act: () => Promise<void>, path: string): Promise<void> {
  try {
    await act();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return;
    if (code === 'EBUSY') throw new Fault('MountBusy', `${path} is not removed: it is in use`);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new Fault('PathNotOurs', `${path} is not removed: it is not empty`);
    }
    throw new Fault('NodeToolFailed', `${path}: ${messageOf(error)}`);
  }
}

function requireNormal(path: string): void {
  const isNormal = path.startsWith('/') && path.length > 1 && !path.endsWith('/') && normalize(path) === path;
  if (!isNormal) throw new Fault('PathNotOurs', `${formatUntrusted(path)} is no absolute path in its normal form`);
}

function notOurs(path: string, entry: PathEntry | undefined, wanted: string): Fault {
  return new Fault('PathNotOurs', `${path}: ${describe(entry)} is there, not ${wanted}`);
}

const DESCRIPTIONS: { readonly [Kind in PathEntry['kind']]: string } = {
  directory: 'a directory',
  file: 'a file',
  link: 'a link',
  'block-device': 'a block device',
  'mount-point': 'a mount',
  other: 'neither file, directory, link nor block device',
};

function describe(entry: PathEntry | undefined): string {
  if (entry === undefined) return 'nothing';
  const numbers = entry.kind === 'block-device' ? ` ${entry.major}:${entry.minor}` : '';
  return `${DESCRIPTIONS[entry.kind]}${numbers}`;
}
