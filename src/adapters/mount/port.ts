import type { DeviceContent } from '../../domain/device-content';
import type { FileSystem } from '../../domain/file-system';
import type { Mount } from '../../domain/mountinfo';
import type { DeviceNumbers } from '../../domain/nvme-sysfs';
import type { Bytes } from '../../domain/size';

export type { DeviceContent } from '../../domain/device-content';
export type { Mount } from '../../domain/mountinfo';

/** What a file system has noted of trouble with itself. It outlives a mount, and ends with a check. */
export interface FileSystemErrors {
  readonly count: number;
  /** Milliseconds of the epoch; undefined: it does not say. */
  readonly lastMs: number | undefined;
}

export interface FileSystemStats {
  readonly totalBytes: bigint;
  readonly freeBytes: bigint;
  readonly availableBytes: bigint;
  readonly totalInodes: bigint;
  readonly freeInodes: bigint;
}

/**
 * Mounts, as the kernel has them. Reads come from /proc/self/mountinfo, never from a mount itself; whatever touches a mount or
 * a device does so in another process with a time limit, so that a dead one hangs nobody. Throws NodeTimeout, NodeToolMissing,
 * NodeToolFailed.
 */
export interface MountPort {
  /** All mounts of this process's namespace, oldest first; stacked ones are all there. Touches no mount. */
  list(): Promise<readonly Mount[]>;

  /**
   * Whether the kernel still has the device of a mount, by its own tables; a mount outlives a device that was given up. What is on no
   * device of this kernel (tmpfs, a network file system) has what it needs. Touches neither mount nor device.
   */
  hasDevice(mount: Mount): Promise<boolean>;

  /**
   * Mounts a file system at a directory that exists. Options are checked by the caller; `readOnly` and they are all that is used
   * (and `nouuid` for xfs: a copy of a volume may be mounted beside it). Proves by mountinfo that it is mounted, and writable
   * unless asked otherwise. Never stacks: throws MountBusy if something is mounted there already.
   */
  mountDevice(mount: {
    readonly devicePath: string;
    readonly mountPoint: string;
    readonly fileSystem: FileSystem;
    readonly options: readonly string[];
    readonly readOnly: boolean;
  }): Promise<void>;

  /**
   * Binds a directory or a file of one mount to another place, read-only if asked for; the other options of the mount stay. Both
   * paths are free of links. Proves by mountinfo that it is so, and takes the bind away again if it is not. Never stacks: throws
   * MountBusy if something is mounted there already.
   */
  bind(mount: { readonly source: string; readonly target: string; readonly readOnly: boolean }): Promise<void>;

  /**
   * Takes the topmost mount at this place away, and proves by mountinfo that it is gone. Nothing mounted: done. Throws MountBusy,
   * naming who uses it where that can be known; NodeTimeout also while an earlier unmount of the place still hangs in the kernel,
   * even if mountinfo does not show the mount any more: its data may still be on the way to the device.
   */
  unmount(mountPoint: string): Promise<void>;

  /** Errors that the kernel has counted for the file system of a mount; undefined: none, or it counts none. Touches neither mount nor device. */
  findErrors(mount: Mount): Promise<FileSystemErrors | undefined>;

  /**
   * What the file system at a mount point has room for, within 9 s. Throws NodeTimeout; NodeToolFailed if nothing is mounted there, and
   * if the file system has been shut down.
   */
  stats(mountPoint: string): Promise<FileSystemStats>;
}

/** File systems on devices. Throws NodeTimeout, NodeToolMissing, NodeToolFailed. */
export interface FileSystemsPort {
  /** What is on the device, found by reading it. Throws NodeToolFailed if it cannot be read: never taken for blank. */
  inspect(devicePath: string): Promise<DeviceContent>;

  /**
   * Makes a file system on a device that `inspect` has just called blank; refuses any other again by itself. `options` are from
   * `parseMkfsOptions`. Throws DeviceNotBlank.
   *
   * `resumes`: this node has a durable note that it found this very volume blank and began to format it, and has seen no end:
   * content of kind `unknown` is then taken for what that format has left, and is written over. A file system, or any other
   * signature, is refused all the same.
   *
   * `requireSame`: throws if the path is another device's by now. Asked last, right before a program writes: all looks before it take
   * their time, and a name that is let go is given out again.
   */
  format(format: {
    readonly devicePath: string;
    readonly fileSystem: FileSystem;
    readonly options: readonly string[];
    readonly resumes: boolean;
    readonly requireSame: () => Promise<void>;
  }): Promise<void>;

  /**
   * Grows a mounted file system to its device's size, and returns when it has it. Grown already: done. Throws DeviceMismatch if
   * that device's file system is not what is mounted there.
   */
  grow(grow: {
    readonly devicePath: string;
    readonly mountPoint: string;
    readonly fileSystem: FileSystem;
  }): Promise<void>;

  /** Size of a block device in bytes, without touching it. Throws NodeToolFailed if it is none. */
  sizeOf(devicePath: string): Promise<Bytes>;

  /** Whether the kernel lets anybody write to the device. Some devices keep it from one connection to the next, so it is always said. */
  setReadOnly(devicePath: string, readOnly: boolean): Promise<void>;

  /**
   * Nobody holds the device: no mount of any namespace, no mkfs, no unmount that still writes. To be asked before a device is
   * disconnected: mountinfo forgets a mount before its last data is written. Throws MountBusy, naming who where that can be known.
   */
  requireUnused(devicePath: string): Promise<void>;
}

/** What is at a path. */
export type PathEntry =
  | { readonly kind: 'directory' | 'file' | 'link' | 'other' }
  | { readonly kind: 'block-device'; readonly major: number; readonly minor: number }
  /** Something is mounted there: `MountPort.list` tells what. The mount is not touched. */
  | { readonly kind: 'mount-point' };

/**
 * The places that mounts are put at. Never removes anything that is not empty, and follows no link: a path with one in it throws
 * PathNotOurs (`resolveBelow` gives the path without). What is mounted is not touched; a path below a mount is looked at only
 * after that mount has answered in time. Throws NodeTimeout, NodeToolMissing, NodeToolFailed.
 */
export interface PathsPort {
  /** A directory is there, made if it was not; its parents too. Throws PathNotOurs if something else is there. */
  ensureDirectory(path: string): Promise<void>;
  /** An empty file is there, to bind a device to. Throws PathNotOurs if something else is there. */
  ensureFile(path: string): Promise<void>;
  /** A block device node of these numbers is there (mknod), not a file of /dev. Throws PathNotOurs. */
  ensureDeviceNode(node: { readonly path: string; readonly major: number; readonly minor: number }): Promise<void>;
  /** What is there, without following a link or touching what is mounted; undefined: nothing. */
  find(path: string): Promise<PathEntry | undefined>;
  /**
   * `rmdir` or `unlink`, by what is there: an empty directory, an empty file, a block device node. Nothing there: done. Throws
   * MountBusy if something is mounted there or below, PathNotOurs for anything else.
   */
  remove(path: string): Promise<void>;
  /**
   * The path as mountinfo would show it: links in `root` itself are resolved, below it there are none. What is not there yet is
   * allowed. Throws InvalidArgument naming `field`: relative, not normal, not below `root`, a link on the way.
   */
  resolveBelow(path: string, root: string, field: string): Promise<string>;
}

/** What is known of who has a block device. */
export interface DeviceUse {
  /** For people: `postgres[123] has it open`. */
  readonly users: readonly string[];
  /** What could not be looked at, for people: while there is any, nobody knows that the device is unused. */
  readonly unknown: readonly string[];
}

/** Who has block devices, also those who neither mount them nor ask to have them alone. A device is told by its numbers: names differ. */
export interface DeviceUsersPort {
  /**
   * Each device's use, in the order asked: open in a process or mapped into its memory, under a loop device, published to a pod as raw
   * block by whichever driver, bound to another place; itself, a partition of it, or its NVMe character device. Looks in another process
   * with a time limit. Throws NodeTimeout, NodeToolFailed: then nothing is known.
   */
  find(devices: readonly DeviceNumbers[]): Promise<readonly DeviceUse[]>;
}
