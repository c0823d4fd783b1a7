import { Fault } from '../../domain/fault';
import type { FileSystem } from '../../domain/file-system';
import { type FileSystemSize, parseExtSize, parseXfsSize } from '../../domain/file-system-size';
import { findTopmost, isMountOf } from '../../domain/mountinfo';
import { formatBytes } from '../../domain/size';
import type { ProcessPort } from '../process/port';
import { numbersOf } from './device-numbers';
import type { FileSystemsPort, MountPort } from './port';

const QUICK_LIMIT_MS = 20_000;
/** Linux asks for it before it grows a mounted ext3 or ext4, and resize2fs says no more than that it is not permitted. */
const EXT_NOT_PERMITTED = /Permission denied to resize/;
/** btrfs takes whole sectors of its own, of 64 KiB at most. */
const BTRFS_REMAINDER_BYTES = 64n * 1024n;

interface Context {
  readonly processes: ProcessPort;
  readonly mounts: Pick<MountPort, 'list' | 'stats'>;
}

type Grow = Parameters<FileSystemsPort['grow']>[0] & { readonly deviceBytes: bigint; readonly limitMs: number };

interface Tool {
  readonly command: (grow: Grow) => readonly [file: string, ...args: string[]];
  readonly size: (context: Context, grow: Grow) => Promise<FileSystemSize>;
}

const EXT: Tool = {
  command: ({ devicePath }) => ['resize2fs', devicePath],
  size: async (context, grow) => parseExtSize(await ask(context, grow, ['dumpe2fs', '-h', grow.devicePath])),
};

const TOOLS: { readonly [Name in FileSystem]: Tool } = {
  ext3: EXT,
  ext4: EXT,
  xfs: {
    command: ({ mountPoint }) => ['xfs_growfs', '-d', mountPoint],
    size: async (context, grow) => parseXfsSize(await ask(context, grow, ['xfs_growfs', '-n', grow.mountPoint])),
  },
  btrfs: {
    command: ({ mountPoint }) => ['btrfs', 'filesystem', 'resize', 'max', mountPoint],
    async size({ mounts }, { mountPoint }) {
      const { totalBytes } = await mounts.stats(mountPoint);
      return { sizeBytes: totalBytes, remainderBytes: BTRFS_REMAINDER_BYTES };
    },
  },
};

/** Grows what is mounted to its device's size, and proves it. */
export async function growFileSystem(context: Context, grow: Grow): Promise<void> {
  const { devicePath, mountPoint, fileSystem, deviceBytes, limitMs } = grow;
  await requireMounted(context, grow);
  const { command, size } = TOOLS[fileSystem];
  const [file, ...args] = command(grow);
  const { exitCode, stderr } = await context.processes.run({ file, args, limitMs, lane: laneOf(grow) });
  if (EXT_NOT_PERMITTED.test(stderr)) {
    throw new Fault(
      'NodeToolFailed',
      `${devicePath}: resize2fs is not permitted: the kernel asks for CAP_SYS_RESOURCE`,
    );
  }
  if (exitCode !== 0) throw failed(grow, { file, exitCode, stderr });
  const { sizeBytes, remainderBytes } = await size(context, grow);
  if (sizeBytes + remainderBytes > deviceBytes) return;
  throw new Fault(
    'NodeToolFailed',
    `${devicePath}: ${file} was run, and the ${fileSystem} at ${mountPoint} has ${formatBytes(sizeBytes)} of ${formatBytes(deviceBytes)}`,
  );
}

async function ask(
  { processes }: Context,
  grow: Grow,
  [file, ...args]: readonly [file: string, ...args: string[]],
): Promise<string> {
  const { exitCode, stdout, stderr } = await processes.run({ file, args, limitMs: QUICK_LIMIT_MS, lane: laneOf(grow) });
  if (exitCode !== 0) throw failed(grow, { file, exitCode, stderr });
  return stdout;
}

function laneOf({ mountPoint }: Grow): string {
  return `the size of what is mounted at ${mountPoint}`;
}

/** The tools that take a mount point would grow whatever file system they find there. */
async function requireMounted({ mounts }: Context, { devicePath, mountPoint, fileSystem }: Grow): Promise<void> {
  const numbers = await numbersOf(devicePath);
  const top = findTopmost(await mounts.list(), mountPoint);
  if (top && top.fileSystemType === fileSystem && isMountOf(top, { ...numbers, path: devicePath })) return;
  const there = top ? `${top.source} (${top.fileSystemType}, ${top.major}:${top.minor}) is` : 'nothing is';
  throw new Fault(
    'DeviceMismatch',
    `${there} mounted at ${mountPoint}, not the ${fileSystem} of ${devicePath} (${numbers.major}:${numbers.minor})`,
  );
}

function failed(
  { devicePath }: Grow,
  { file, exitCode, stderr }: { readonly file: string; readonly exitCode: number; readonly stderr: string },
): Fault {
  return new Fault('NodeToolFailed', `${devicePath}: ${file} ended with exit code ${exitCode}: ${stderr.trim()}`);
}
