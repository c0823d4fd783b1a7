import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DeviceContent, formatContent } from '../../domain/device-content';
import { Fault } from '../../domain/fault';
import { isMountOf } from '../../domain/mountinfo';
import { type Bytes, parseBytes, TIB } from '../../domain/size';
import type { CommandResult, ProcessLanesPort } from '../process/port';
import { createDeviceContents, type DeviceContents, laneOf } from './device-content';
import { numbersOf } from './device-numbers';
import { growFileSystem } from './grow';
import { mkfsCommand } from './mkfs';
import { formatDeviceUsers } from './mount-users';
import { createMounts } from './mounts';
import type { FileSystemsPort, MountPort } from './port';
import { messageOf } from './proc';

/** sysfs counts in sectors of 512 bytes, whatever the device's own are. */
const SECTOR_BYTES = 512n;
const DECIMAL_LINE = /^[0-9]+\n$/;
/** What making or growing a file system may take: it grows with the device. */
const READ_ONLY_LIMIT_MS = 10_000;
const WORK_LIMIT_MS = 120_000;
const WORK_LIMIT_MS_EACH_TIB = 60_000;
const LONGEST_WORK_MS = 30 * 60_000;

interface FileSystemsOptions {
  readonly processes: ProcessLanesPort;
  /** Undefined: those of this process. */
  readonly mounts?: Pick<MountPort, 'list' | 'stats'>;
  /** Where procfs and sysfs are mounted. */
  readonly procRoot?: string;
  readonly sysRoot?: string;
}

interface Context extends Required<FileSystemsOptions> {
  readonly contents: DeviceContents;
}

type Format = Parameters<FileSystemsPort['format']>[0];

/** File systems by their own tools: blkid, mkfs.…, resize2fs, xfs_growfs, btrfs. */
export function createFileSystems(options: FileSystemsOptions): FileSystemsPort {
  const { processes, mounts = createMounts({ processes }), procRoot = '/proc', sysRoot = '/sys' } = options;
  const contents = createDeviceContents({ processes });
  const context: Context = { processes, mounts, procRoot, sysRoot, contents };
  return {
    inspect: (devicePath) => inspect(context, devicePath),
    format: (format) => formatDevice(context, format),
    async grow(grow) {
      const deviceBytes = await sizeOf(context, grow.devicePath);
      await growFileSystem(context, { ...grow, deviceBytes, limitMs: workLimitMs(deviceBytes) });
    },
    sizeOf: (devicePath) => sizeOf(context, devicePath),
    requireUnused: (devicePath) => requireUnused(context, devicePath),
    setReadOnly: (devicePath, readOnly) => setReadOnly(context, devicePath, readOnly),
  };
}

async function inspect(context: Context, devicePath: string): Promise<DeviceContent> {
  const sizeBytes = Number(await sizeOf(context, devicePath));
  return await context.contents.inspect({ devicePath, sizeBytes });
}

async function formatDevice(context: Context, format: Format): Promise<void> {
  const { devicePath, fileSystem, options, resumes, requireSame } = format;
  // A mkfs of an earlier try may still be at work.
  await requireUnused(context, devicePath);
  const content = await inspect(context, devicePath);
  const isRemains = resumes && content.kind === 'unknown';
  if (content.kind !== 'blank' && !isRemains) {
    throw new Fault('DeviceNotBlank', `${devicePath} is not formatted, it holds ${formatContent(content)}`);
  }
  const command = mkfsCommand({ devicePath, fileSystem, options, isRemains });
  const limitMs = workLimitMs(await sizeOf(context, devicePath));
  await requireSame();
  const result = await context.processes.run({ ...command, limitMs, lane: laneOf(devicePath) });
  if (result.exitCode !== 0) throw failed(devicePath, command.file, result);
  const made = await inspect(context, devicePath);
  if (made.kind !== 'file-system' || made.type !== fileSystem) {
    throw new Fault(
      'NodeToolFailed',
      `${devicePath}: ${command.file} has left ${formatContent(made)} instead of ${fileSystem}`,
    );
  }
}

async function setReadOnly(context: Context, devicePath: string, readOnly: boolean): Promise<void> {
  const { major, minor } = await numbersOf(devicePath);
  const isReadOnly = async (): Promise<boolean> => {
    const file = join(context.sysRoot, 'dev', 'block', `${major}:${minor}`, 'ro');
    return (await readFile(file, 'utf8').catch(() => '')).trim() === '1';
  };
  if ((await isReadOnly()) === readOnly) return;
  const command = {
    file: 'blockdev',
    args: [readOnly ? '--setro' : '--setrw', devicePath],
    limitMs: READ_ONLY_LIMIT_MS,
  };
  const result = await context.processes.run({ ...command, lane: laneOf(devicePath) });
  if (result.exitCode !== 0 || (await isReadOnly()) !== readOnly) throw failed(devicePath, command.file, result);
}

async function sizeOf({ sysRoot }: Context, devicePath: string): Promise<Bytes> {
  const { major, minor } = await numbersOf(devicePath);
  const file = join(sysRoot, 'dev', 'block', `${major}:${minor}`, 'size');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Fault('NodeToolFailed', `${devicePath}: its size cannot be read: ${messageOf(error)}`);
  });
  if (!DECIMAL_LINE.test(text)) throw new Fault('NodeToolFailed', `${devicePath}: ${file} holds no number`);
  return parseBytes(BigInt(text.trim()) * SECTOR_BYTES, devicePath);
}

async function requireUnused({ contents, procRoot }: Context, devicePath: string): Promise<void> {
  const numbers = await numbersOf(devicePath);
  if (!(await contents.isHeld(devicePath))) return;
  const users = await formatDeviceUsers({
    procRoot,
    isDevice: (mount) => isMountOf(mount, { ...numbers, path: devicePath }),
  });
  throw new Fault('MountBusy', `${devicePath} is still in use${users}`);
}

function workLimitMs(sizeBytes: bigint): number {
  return Math.min(LONGEST_WORK_MS, WORK_LIMIT_MS + Number(sizeBytes / TIB) * WORK_LIMIT_MS_EACH_TIB);
}

function failed(devicePath: string, tool: string, { exitCode, stderr }: CommandResult): Fault {
  return new Fault('NodeToolFailed', `${devicePath}: ${tool} ended with exit code ${exitCode}: ${stderr.trim()}`);
}
