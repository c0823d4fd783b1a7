import { Fault } from './fault';
import { formatUntrusted } from './text';

/** A line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** The kernel's number of this mount; it is used anew after the mount is gone. */
  readonly id: number;
  /** The mount that this one lies on: where several are stacked, the one below. */
  readonly parentId: number;
  readonly mountPoint: string;
  /** Path within the file system that is mounted here: `/` or, for bind mounts, what was bound. */
  readonly root: string;
  /** Of the device; btrfs has a number of its own here (major 0), which is that of no device: see `source`. */
  readonly major: number;
  readonly minor: number;
  readonly fileSystemType: string;
  /** What was named when it was mounted: `/dev/nvme0n1`, `tmpfs`. A name that may mean another device by now. */
  readonly source: string;
  /** Options of the mount: `rw`, `ro`, `noatime`, … */
  readonly options: readonly string[];
  /** Options of the file system: `rw`, `errors=remount-ro`, … */
  readonly superOptions: readonly string[];
}

const NUMBER = /^[0-9]{1,15}$/;
const DEVICE = /^([0-9]{1,10}):([0-9]{1,10})$/;
/** The kernel writes space, tab, line break, backslash (and by version `#`) so. */
const ESCAPED = /\\([0-7]{3})/g;

/** The mounts in the order of the file: oldest first. Throws NodeToolFailed naming a line that cannot be read. */
export function parseMountinfo(text: string): readonly Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/** The topmost of the mounts at this very place; undefined if nothing is mounted there. */
export function findTopmost(mounts: readonly Mount[], mountPoint: string): Mount | undefined {
  const here = mounts.filter((mount) => mount.mountPoint === mountPoint);
  return here.find(({ id }) => !here.some(({ parentId }) => parentId === id)) ?? here.at(-1);
}

/** The mount that a path lies on: at the path itself or at the nearest place above. Undefined only without a root mount. */
export function findMountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const above = mounts.filter(({ mountPoint }) => isAtOrBelow(path, mountPoint));
  const longest = Math.max(0, ...above.map(({ mountPoint }) => mountPoint.length));
  const nearest = above.find(({ mountPoint }) => mountPoint.length === longest);
  return nearest && findTopmost(mounts, nearest.mountPoint);
}

/** A block device, as the kernel and /dev know it. */
export interface MountedDevice {
  readonly major: number;
  readonly minor: number;
  /** `/dev/nvme0n1`. */
  readonly path: string;
}

/** Whether a mount is of that device. btrfs shows numbers of its own (major 0): there the device's name has to do. */
export function isMountOf(mount: Mount, { major, minor, path }: MountedDevice): boolean {
  if (mount.fileSystemType === 'btrfs') return mount.source === path;
  return mount.major === major && mount.minor === minor;
}

/** Whether nobody can write through this mount: it is read-only itself, or its file system is. */
export function isReadOnly({ options, superOptions }: Mount): boolean {
  return options.includes('ro') || superOptions.includes('ro');
}

/** The kernel makes a file system read-only by itself when it has met errors; a mount asked for read-only says so itself. */
export function hasTurnedReadOnly({ options, superOptions }: Mount): boolean {
  return superOptions.includes('ro') && options.includes('rw');
}

/** Whether an absolute path is `folder` or lies below it. Looks at the texts alone. */
export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue` */
function parseLine(line: string): Mount {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parentId, device, root, mountPoint, options] = fields;
  const [fileSystemType, source, ...superOptions] = separator < 0 ? [] : fields.slice(separator + 1);
  const numbers = DEVICE.exec(device ?? '');
  const areNumbers = NUMBER.test(id ?? '') && NUMBER.test(parentId ?? '');
  // An empty source is one.
  const isWhole = root && mountPoint && options && fileSystemType && source !== undefined && superOptions.length > 0;
  if (!areNumbers || !numbers || !isWhole || !mountPoint.startsWith('/')) {
    throw new Fault('NodeToolFailed', `mountinfo: a line that cannot be read: ${formatUntrusted(line)}`);
  }
  return {
    id: Number(id),
    parentId: Number(parentId),
    mountPoint: unescape(mountPoint),
    root: unescape(root),
    major: Number(numbers[1]),
    minor: Number(numbers[2]),
    fileSystemType: unescape(fileSystemType),
    source: unescape(source),
    options: options.split(','),
    // Some file systems print spaces in theirs as they are.
    superOptions: unescape(superOptions.join(' ')).split(','),
  };
}

function unescape(text: string): string {
  return text.replace(ESCAPED, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
