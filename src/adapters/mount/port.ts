import type { FileSystem } from '../../domain/capability';
import type { Bytes } from '../../domain/size';

/** A line of /proc/self/mountinfo. */
export interface Mount {
  readonly mountPoint: string;
  /** Path within the file system that is mounted here: `/` or, for bind mounts, what was bound. */
  readonly root: string;
  readonly major: number;
  readonly minor: number;
  readonly fileSystemType: string;
  /** What was mounted, as the mount was told: `/dev/nvme0n1`. */
  readonly source: string;
  /** Options of the mount: `rw`, `ro`, `noatime`, … */
  readonly options: readonly string[];
  /** Options of the file system: `rw`, `errors=remount-ro`, … */
  readonly superOptions: readonly string[];
}

/** What is on a device. */
export type DeviceContent =
  | { readonly kind: 'blank' }
  | { readonly kind: 'file-system'; readonly type: string }
  /** A partition table, LUKS, RAID member, …, or half of something: `found` is for a person. */
  | { readonly kind: 'other'; readonly found: string };

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

  /** Mounts a file system at a directory that exists. Options are checked by the caller; `readOnly` and they are all that is used. */
  mountDevice(mount: {
    readonly devicePath: string;
    readonly mountPoint: string;
    readonly fileSystem: FileSystem;
    readonly options: readonly string[];
    readonly readOnly: boolean;
  }): Promise<void>;

  /** Binds a directory or a file of one mount to another place, read-only if asked for. */
  bind(mount: { readonly source: string; readonly target: string; readonly readOnly: boolean }): Promise<void>;

  /** Takes the topmost mount at this place away. Nothing mounted: done. Throws MountBusy, naming who uses it where that can be known. */
  unmount(mountPoint: string): Promise<void>;

  /** What the file system at a mount point has room for. */
  stats(mountPoint: string): Promise<FileSystemStats>;
}

/** File systems on devices. */
export interface FileSystemsPort {
  /** What is on the device, found by reading it. Throws NodeToolFailed if it cannot be read: never taken for blank. */
  inspect(devicePath: string): Promise<DeviceContent>;

  /**
   * Makes a file system on a device that is blank: looks again by itself, and throws DeviceNotBlank for any other. `interrupted`:
   * the caller knows that what is on it is the half of a file system which was being made when the process died; it is written over.
   * Throws MountBusy while somebody has the device open, such as the program that a killed process left behind.
   */
  format(format: {
    readonly devicePath: string;
    readonly fileSystem: FileSystem;
    readonly options: readonly string[];
    readonly interrupted: boolean;
  }): Promise<void>;

  /** Grows a mounted file system to its device's size, and returns when it has it. Grown already: done. */
  grow(grow: {
    readonly devicePath: string;
    readonly mountPoint: string;
    readonly fileSystem: FileSystem;
  }): Promise<void>;

  /** Size of a block device in bytes. Throws NodeToolFailed if it is none. */
  sizeOf(devicePath: string): Promise<Bytes>;
}

/** The places that mounts are put at. Never removes anything that is not empty, and follows no link. */
export interface PathsPort {
  /** A directory is there, made if it was not; its parents too. Throws PathNotOurs if something else is there. */
  ensureDirectory(path: string): Promise<void>;
  /** An empty file is there, to bind a device to. Throws PathNotOurs if something else is there. */
  ensureFile(path: string): Promise<void>;
  /** A block device node of these numbers is there (mknod), not a file of /dev. Throws PathNotOurs. */
  ensureDeviceNode(node: { readonly path: string; readonly major: number; readonly minor: number }): Promise<void>;
  /** What is there, without following a link or touching what is mounted; undefined: nothing. */
  find(
    path: string,
  ): Promise<
    | { readonly kind: 'directory' | 'file' | 'link' | 'other' }
    | { readonly kind: 'block-device'; readonly major: number; readonly minor: number }
    | undefined
  >;
  /** `rmdir` or `unlink`, by what is there; only where mountinfo shows nothing mounted. Nothing there: done. Not empty: PathNotOurs. */
  remove(path: string): Promise<void>;
  /** The path with all links resolved, if it is below `root`. Throws InvalidArgument naming `field` otherwise. */
  requireBelow(path: string, root: string, field: string): Promise<void>;
}
