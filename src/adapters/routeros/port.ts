import type { ExportChange } from '../../domain/export';
import type { NodeId } from '../../domain/nqn';
import type { Attachment, ClusterId, VolumeRecord } from '../../domain/record';
import type { ArraySurvey } from '../../domain/stock';
import type { Pool, Volume, VolumeSpec } from '../../domain/volume';
import type { VolumeId } from '../../domain/volume-id';
import type { VolumePath } from '../../domain/volume-path';

/**
 * The volumes of one RDS. Each method is one script, one SSH exec, one JSON line that reads back what it changed; each is
 * idempotent. All throw Fault: ArrayUnreachable (nothing was sent), ArrayNoAnswer (sent, end not seen), ArrayUnreadable,
 * ArrayRefused, NotOurs (the slot is taken by something that is not this driver's). What RouterOS says to a change counts only if
 * the volume is then not as wished; a volume whose record cannot be read is not changed: ArrayUnreadable.
 */
export interface DisksPort {
  /**
   * Makes the volume unless its disk exists, and returns it as it is then: the caller compares it with what was asked for.
   * Goes on where an earlier try stopped: a backing file of at most the asked size without a disk gets its disk.
   * Throws also PoolExhausted; VolumeExists when a larger file without a disk is in the way; NotOurs when a disk in another slot
   * uses the file.
   */
  create(spec: VolumeSpec): Promise<Volume>;

  /** The volume, its record readable or not; undefined if RouterOS has shown that it has no such disk. */
  find(volumeId: VolumeId): Promise<Volume | undefined>;

  /** All disks that are this driver's by slot, NQN and path; as `find`. One row that cannot be read: ArrayUnreadable. */
  list(): Promise<readonly Volume[]>;

  /**
   * All volumes as `list`, each with whether its backing file is listed; and the backing files that no disk uses. Files in snapshots
   * and read-only subvolumes are none: they are copies.
   */
  survey(): Promise<ArraySurvey>;

  /**
   * Grows the volume to `sizeBytes` unless it has that much, or has a record of another cluster than this (undefined: no matter
   * whose). Returns it as it is then; undefined if there is no such disk. Throws also PoolExhausted.
   */
  resize(volumeId: VolumeId, sizeBytes: bigint, clusterId: ClusterId | undefined): Promise<Volume | undefined>;

  /**
   * Export off, disk away, file away; only if there is no record (a volume of an older driver), or it is this cluster's and
   * names no node. Returns what is left: the disk (it is attached, another cluster's, or was not removed) and whether a
   * backing file of it is still there. Nothing left: `{ volume: undefined, fileExists: false }`.
   */
  remove(
    volumeId: VolumeId,
    clusterId: ClusterId,
    files?: RemovedFiles,
  ): Promise<{ readonly volume: Volume | undefined; readonly fileExists: boolean }>;

  /**
   * The common path of attaching: if the disk bears a record of this cluster that names no node, changes the export and adds
   * this one. Changes nothing else. Returns the volume as it is then (undefined: no such disk); the caller judges its record.
   */
  attach(volumeId: VolumeId, change: AttachChange): Promise<Volume | undefined>;

  /**
   * The common path of detaching: if the record is this cluster's and names this node alone, changes the export and empties the
   * list; else as `attach`.
   */
  detach(volumeId: VolumeId, change: DetachChange): Promise<Volume | undefined>;

  /** Changes the export and replaces the comment, if it still is the one expected; else nothing. Returns the volume as it is then. */
  writeRecord(volumeId: VolumeId, change: RecordChange): Promise<Volume | undefined>;

  /** Size and free space of the pool that holds `volumePath`. */
  pool(volumePath: VolumePath): Promise<Pool>;
}

/**
 * Which files go with a disk: `any` that is called so below a root, wherever an earlier try has left it, or `own`, the one that the disk
 * names, alone.
 */
export type RemovedFiles = 'any' | 'own';

/** A record in place of a comment. */
export interface RecordChange {
  readonly expectedComment: string;
  readonly record: VolumeRecord;
  /** What the export is to be before the record is written. */
  readonly exportChange: ExportChange;
}

/** One node more, where there was none. */
export interface AttachChange {
  readonly clusterId: ClusterId;
  readonly attachment: Attachment;
  readonly exportChange: ExportChange;
}

/** The last node gone. */
export interface DetachChange {
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
  readonly exportChange: ExportChange;
}

/** Whether the RDS can be reached, as last seen: answered from memory, at once. */
export interface ArrayConnection {
  readonly address: string;
  /** `since` is when the state began; `reason` is the last failure to connect, for a person. */
  readonly state:
    | { readonly connected: true; readonly since: Date }
    | { readonly connected: false; readonly since: Date; readonly reason: string };
}
