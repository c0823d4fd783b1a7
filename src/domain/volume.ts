import type { SubsystemNqn } from './nqn';
import type { VolumeRecord } from './record';
import type { Bytes } from './size';
import type { VolumeId } from './volume-id';
import type { VolumePath } from './volume-path';

/** What a volume shall be on the RDS: a file-backed disk, exported over NVMe/TCP. */
export interface VolumeSpec {
  readonly volumeId: VolumeId;
  /** Size of the backing file, in bytes: whole MiB. */
  readonly sizeBytes: Bytes;
  /** Most that an existing volume of this ID may have to count as the one asked for, in bytes; absent: no limit. */
  readonly limitBytes: Bytes | undefined;
  /** Directory of the backing file, e.g. `/storage-pool/metal-csi`. */
  readonly volumePath: VolumePath;
  readonly nqn: SubsystemNqn;
  /** TCP port of the export. */
  readonly nvmePort: number;
  /** Whether the disk is exported from the start; not, where no host may connect until a node has the volume. */
  readonly exported: boolean;
  /** What is written into the disk's `comment` when it is made. */
  readonly record: VolumeRecord;
}

/** A volume as RouterOS reads it back. */
export interface Volume {
  readonly volumeId: VolumeId;
  /** Size of the block device, in bytes. */
  readonly sizeBytes: Bytes;
  /** Path of the backing file, with its leading slash. */
  readonly filePath: string;
  readonly nqn: string;
  readonly nvmePort: number;
  /** Whether RouterOS exports it over NVMe/TCP now. */
  readonly exported: boolean;
  /** The host NQN that alone may connect; empty: any host. */
  readonly allowedHost: string;
  /** Whether `/file` lists the backing file; undefined where it was not looked up. */
  readonly fileExists: boolean | undefined;
  /** The text of `comment`, as it stands. */
  readonly comment: string;
  /** The record in `comment`; undefined if there is none (a volume of an older driver), or none that can be read. */
  readonly record: VolumeRecord | undefined;
  /** Why the record in `comment` cannot be read, for a person; then nothing may change the volume. */
  readonly recordProblem: string | undefined;
}

/** The file system on the RDS that holds the backing files. */
export interface Pool {
  /** First segment of the volume path, e.g. `storage-pool`. */
  readonly name: string;
  readonly sizeBytes: Bytes;
  readonly freeBytes: Bytes;
}
