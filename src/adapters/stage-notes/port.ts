import type { FileSystem } from '../../domain/capability';
import type { NodeId, SubsystemNqn } from '../../domain/nqn';
import type { VolumeId } from '../../domain/volume-id';

/** How a volume is staged. */
export type StageMode =
  | {
      readonly kind: 'mount';
      readonly fileSystem: FileSystem;
      readonly mountFlags: readonly string[];
      readonly readOnly: boolean;
    }
  | { readonly kind: 'block'; readonly readOnly: boolean };

/** What a stage has done, written before it is done: so an unstage after a restart finds all of it. */
export interface StageNote {
  readonly volumeId: VolumeId;
  readonly nodeId: NodeId;
  readonly nqn: SubsystemNqn;
  readonly stagingTargetPath: string;
  readonly mode: StageMode;
  /** The run that connected the volume; undefined: it was connected already. */
  readonly connectedBy: string | undefined;
  /** The run that mounted it at the staging path. */
  readonly mountedBy: string | undefined;
  /** The run that made this note; undefined: it is an older driver's. */
  readonly madeBy: string | undefined;
  /** Where device nodes of it were made: mountinfo does not know of them. Some may be gone. */
  readonly devicesAt: readonly string[];
  /**
   * Where it is published read-only though it is staged for writing. A bind is made for writing and read-only then: what is found
   * for writing at such a place has been broken off between the two. Some may be gone.
   */
  readonly readOnlyAt: readonly string[];
}

/** The notes, one beside each staging path. On the disk when a call returns. */
export interface StageNotesPort {
  /** Undefined: there is none. One that cannot be read: NodeToolFailed. */
  find(stagingTargetPath: string): Promise<StageNote | undefined>;
  /** The note of a volume's latest stage that has one, for calls that do not name its staging path. */
  findOf(volumeId: VolumeId): Promise<StageNote | undefined>;
  /** The notes of all stages of a volume, the latest one last. */
  listOf(volumeId: VolumeId): Promise<readonly StageNote[]>;
  /**
   * The notes of all volumes that name this place among their `devicesAt`. Those that cannot be read are left out: one volume's
   * trouble is not another's.
   */
  listWithDeviceAt(path: string): Promise<readonly StageNote[]>;
  /** Of all volumes, the latest stage of each. Those that cannot be read are left out, as above. */
  list(): Promise<readonly StageNote[]>;
  write(note: StageNote): Promise<void>;
  /**
   * A file system is being made on this volume, which was proven blank: if the process dies, the half of one may be written over.
   * Outlives the volume's stage, and ends when the format has ended.
   */
  setFormatting(volumeId: VolumeId, formatting: boolean): Promise<void>;
  isFormatting(volumeId: VolumeId): Promise<boolean>;
  /** None there: done. */
  remove(note: Pick<StageNote, 'volumeId' | 'stagingTargetPath'>): Promise<void>;
}

/** What on this node says that a volume is staged, whichever driver has done it. */
export interface StageTracesPort {
  /**
   * For people, each with its file: notes of every deployment of this driver, also under another name, and the kubelet's own records of
   * what it has had staged. Throws NodeToolFailed if any record cannot be read, whichever volume it is of: nobody knows.
   */
  find(volumeId: VolumeId): Promise<readonly string[]>;
}
