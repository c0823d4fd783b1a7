import { Fault } from '../../domain/fault';
import { findMountOf, findTopmost, isMountOf, isReadOnly, type Mount } from '../../domain/mountinfo';
import { formatUntrusted } from '../../domain/text';
import type { CommandResult, ProcessLanesPort } from '../process/port';
import { hasDevice, numbersOf } from './device-numbers';
import { findErrors } from './file-system-errors';
import { formatMountUsers } from './mount-users';
import type { FileSystemStats, MountPort } from './port';
import { readMounts } from './proc';

/** A mount may replay a long journal, an unmount write a lot of data that is still in memory. */
const MOUNT_LIMIT_MS = 90_000;
const UNMOUNT_LIMIT_MS = 90_000;
const BIND_LIMIT_MS = 20_000;
const STATS_LIMIT_MS = 4_000;
/** btrfs(5): two devices with one identity, of which one is mounted. */
const EXISTS = /\bFile exists\b/i;

/** util-linux: `target is busy`; BusyBox: `Device or resource busy`. */
const BUSY = /\bbusy\b/i;
/** Options of a mount that a remount forgets unless it repeats them (mount(8), remount with bind). */
const KEPT_OPTIONS = ['nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime', 'nosymfollow'];
const STAT_FORMAT = '%S %b %f %a %c %d';
const STAT_OUTPUT = /^([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+)\n$/;

interface MountsOptions {
  readonly processes: ProcessLanesPort;
  /** Where procfs is mounted. */
  readonly procRoot?: string;
  /** Where sysfs is mounted. */
  readonly sysRoot?: string;
}

interface Context {
  readonly processes: ProcessLanesPort;
  readonly procRoot: string;
  readonly sysRoot: string;
}

type DeviceMount = Parameters<MountPort['mountDevice']>[0];
type Bind = Parameters<MountPort['bind']>[0];

/** Mounts by mount(8) and umount(8), seen through /proc/self/mountinfo. */
export function createMounts({ processes, procRoot = '/proc', sysRoot = '/sys' }: MountsOptions): MountPort {
  const context: Context = { processes, procRoot, sysRoot };
  /** Statistics that are being asked for, by mount point: whoever asks meanwhile gets the same answer. */
  const asked = new Map<string, Promise<FileSystemStats>>();
  return {
    list: () => readMounts(procRoot),
    hasDevice: (mount) => hasDevice(sysRoot, mount),
    findErrors: (mount) => findErrors(sysRoot, mount),
    mountDevice: (mount) => mountDevice(context, mount),
    bind: (mount) => bind(context, mount),
    unmount: (mountPoint) => unmount(context, mountPoint),
    stats(mountPoint) {
      const running = asked.get(mountPoint) ?? statsOf(context, mountPoint).finally(() => asked.delete(mountPoint));
      asked.set(mountPoint, running);
      return running;
    },
  };
}

async function mountDevice(context: Context, mount: DeviceMount): Promise<void> {
  const { devicePath, mountPoint, fileSystem } = mount;
  const readOnly = mount.readOnly || mount.options.includes('ro');
  await requireNothingMounted(context, mountPoint);
  const numbers = await numbersOf(devicePath);
  // -i: no helper program of another package; -w: never read-only instead, where the device turns out to be so.
  const args = ['-i', ...(readOnly ? ['-r'] : ['-w']), '-t', fileSystem, ...optionArguments(mount), '--'];
  try {
    await runMount(context, { args: [...args, devicePath, mountPoint], mountPoint, limitMs: MOUNT_LIMIT_MS });
  } catch (error) {
    const isHeld = fileSystem === 'btrfs' && error instanceof Fault && EXISTS.test(error.message);
    throw isHeld ? await heldByStaleMounts(context, devicePath, error) : error;
  }
  const made = findTopmost(await readMounts(context.procRoot), mountPoint);
  const isDevice = made && isMountOf(made, { ...numbers, path: devicePath });
  if (isDevice && made.fileSystemType === fileSystem && isReadOnly(made) === readOnly) return;
  if (isDevice) await unmount(context, mountPoint);
  throw new Fault(
    'NodeToolFailed',
    `mount of ${devicePath} (${fileSystem}, ${readOnly ? 'ro' : 'rw'}) at ${mountPoint}: mountinfo shows ${formatMount(made)}`,
  );
}

/** btrfs knows a file system by its UUID, and mounts it anew only when no mount of the device that it was on before is left. */
async function heldByStaleMounts({ procRoot, sysRoot }: Context, devicePath: string, cause: Fault): Promise<Fault> {
  const stale: string[] = [];
  for (const mount of await readMounts(procRoot)) {
    if (mount.fileSystemType === 'btrfs' && !(await hasDevice(sysRoot, mount))) stale.push(mount.mountPoint);
  }
  if (stale.length === 0) return cause;
  const where = stale.join(', ');
  const why = `its file system (btrfs) is still mounted of a device that is gone: delete the pods that have ${where}`;
  return new Fault('MountBusy', `${devicePath}: ${why}`, { cause });
}

/**
 * xfs refuses a file system whose UUID is mounted already: a copy of a volume beside it. Which device this is has been proven by
 * its NQN, so that the UUID has nothing left to guard.
 */
function optionArguments({ fileSystem, options }: DeviceMount): readonly string[] {
  const needsNouuid = fileSystem === 'xfs' && !options.includes('nouuid');
  const all = [...options.filter((option) => option !== 'ro' && option !== 'rw'), ...(needsNouuid ? ['nouuid'] : [])];
  return all.length === 0 ? [] : ['-o', all.join(',')];
}

async function bind(context: Context, { source, target, readOnly }: Bind): Promise<void> {
  const before = await requireNothingMounted(context, target);
  const below = findMountOf(before, source);
  await runMount(context, { args: ['-i', '--bind', '--', source, target], mountPoint: target, limitMs: BIND_LIMIT_MS });
  const find = async () => findTopmost(await readMounts(context.procRoot), target);
  const made = await find();
  if (!made) throw new Fault('NodeToolFailed', `bind of ${source} to ${target}: mountinfo shows nothing there`);
  try {
    if (!below || !isBindOf(made, { below, source })) {
      throw new Fault('NodeToolFailed', `bind of ${source} to ${target}: mountinfo shows ${formatMount(made)}`);
    }
    if (!readOnly) return;
    const kept = made.options.filter((option) => KEPT_OPTIONS.includes(option));
    const args = ['-i', '-o', ['remount', 'bind', 'ro', ...kept].join(','), '--', target];
    await runMount(context, { args, mountPoint: target, limitMs: BIND_LIMIT_MS });
    const remade = await find();
    if (!remade?.options.includes('ro')) {
      throw new Fault(
        'NodeToolFailed',
        `bind of ${source} to ${target}, read-only: mountinfo shows ${formatMount(remade)}`,
      );
    }
  } catch (error) {
    // What this very call has mounted, and nothing that came after it.
    if ((await find())?.id === made.id) await unmount(context, target);
    throw error;
  }
}

/** The same file system, and the very part of it. */
function isBindOf(made: Mount, { below, source }: { readonly below: Mount; readonly source: string }): boolean {
  const rest = source.slice(below.mountPoint === '/' ? 0 : below.mountPoint.length);
  const root = rest === '' || rest === '/' ? below.root : `${below.root === '/' ? '' : below.root}${rest}`;
  return made.major === below.major && made.minor === below.minor && made.root === root;
}

async function unmount(context: Context, mountPoint: string): Promise<void> {
  const top = findTopmost(await readMounts(context.procRoot), mountPoint);
  // mountinfo forgets a mount before its last data is written: only the end of the program that unmounts tells.
  if (!top) return context.processes.requireFree(laneOf(mountPoint));
  // --no-canonicalize: the path is free of links, and umount shall not look at what is mounted there.
  const result = await context.processes.run({
    file: 'umount',
    args: ['-i', '--no-canonicalize', '--', mountPoint],
    limitMs: UNMOUNT_LIMIT_MS,
    lane: laneOf(mountPoint),
  });
  const mounts = await readMounts(context.procRoot);
  if (!mounts.some(({ id, mountPoint: place }) => id === top.id && place === mountPoint)) return undefined;
  if (BUSY.test(result.stderr)) {
    const users = await formatMountUsers({ procRoot: context.procRoot, mountPoint, mounts });
    throw new Fault('MountBusy', `${mountPoint} is busy and stays mounted${users}`);
  }
  throw failed('umount', mountPoint, result);
}

/**
 * By stat(1), which asks the kernel and nothing else: in this process a dead mount would take one of libuv's few threads for
 * ever. One program at most is left behind for each mount point.
 */
async function statsOf({ processes, procRoot }: Context, mountPoint: string): Promise<FileSystemStats> {
  const mounted = findTopmost(await readMounts(procRoot), mountPoint);
  if (!mounted) throw new Fault('NodeToolFailed', `nothing is mounted at ${mountPoint}`);
  // One that has shut itself down tells its size all the same; of its root it tells nothing any more.
  if (mounted.fileSystemType === 'xfs') await requireAnswer(processes, mountPoint);
  const result = await processes.run({
    file: 'stat',
    args: ['--file-system', `--format=${STAT_FORMAT}`, '--', mountPoint],
    limitMs: STATS_LIMIT_MS,
    lane: `statistics of ${mountPoint}`,
  });
  const match = STAT_OUTPUT.exec(result.stdout);
  if (result.exitCode !== 0 || !match) throw failed('stat', mountPoint, result);
  const [blockBytes = 0n, blocks = 0n, free = 0n, available = 0n, inodes = 0n, freeInodes = 0n] = match
    .slice(1)
    .map((number) => BigInt(number));
  return {
    totalBytes: blocks * blockBytes,
    freeBytes: free * blockBytes,
    availableBytes: available * blockBytes,
    totalInodes: inodes,
    freeInodes,
  };
}

async function requireAnswer(processes: ProcessLanesPort, mountPoint: string): Promise<void> {
  const result = await processes.run({
    file: 'stat',
    args: ['--format=%F', '--', mountPoint],
    limitMs: STATS_LIMIT_MS,
    lane: `statistics of ${mountPoint}`,
  });
  if (result.exitCode !== 0) throw failed('stat', mountPoint, result);
}

async function requireNothingMounted({ procRoot }: Context, mountPoint: string): Promise<readonly Mount[]> {
  const mounts = await readMounts(procRoot);
  const there = findTopmost(mounts, mountPoint);
  if (there) throw new Fault('MountBusy', `${mountPoint}: something is mounted there already: ${formatMount(there)}`);
  return mounts;
}

async function runMount(
  { processes }: Context,
  {
    args,
    mountPoint,
    limitMs,
  }: { readonly args: readonly string[]; readonly mountPoint: string; readonly limitMs: number },
): Promise<void> {
  const result = await processes.run({ file: 'mount', args, limitMs, lane: laneOf(mountPoint) });
  if (result.exitCode === 0) return;
  if (BUSY.test(result.stderr)) throw new Fault('MountBusy', `${mountPoint}: ${result.stderr.trim()}`);
  throw failed(`mount ${args.join(' ')}`, mountPoint, result);
}

/** Mounts and unmounts of one place never overtake one another. */
function laneOf(mountPoint: string): string {
  return `the mounts at ${mountPoint}`;
}

function formatMount(mount: Mount | undefined): string {
  if (!mount) return 'nothing there';
  const { source, root, fileSystemType, options } = mount;
  return `${formatUntrusted(source)} (${fileSystemType}, root ${root}, ${options.join(',')})`;
}

function failed(what: string, mountPoint: string, { exitCode, stderr }: CommandResult): Fault {
  return new Fault('NodeToolFailed', `${mountPoint}: ${what} ended with exit code ${exitCode}: ${stderr.trim()}`);
}
