import type {
  CreateVolumeInput,
  DeleteVolumeInput,
  ExpandVolumeInput,
  PublishVolumeInput,
  SizeResult,
  UnpublishVolumeInput,
} from './operations';

/**
 * What is done on the RDS. Each states a wish and returns only when the RDS has read back as wished; each is idempotent and goes
 * on from wherever an earlier try stopped. Names are stored in histories: they grow, and are never renamed.
 */
export interface ArrayActivities {
  /** A disk of this ID with at least the size asked for, exported. Throws VolumeExists, PoolExhausted, NotOurs. */
  ensureVolume(input: CreateVolumeInput): Promise<SizeResult>;
  /** No disk and no backing file of this ID. Throws VolumeInUse while it is attached, NotOurs. */
  removeVolume(input: DeleteVolumeInput): Promise<void>;
  /** At least `sizeBytes`, at most `limitBytes`. Throws VolumeNotFound, PoolExhausted, SizeOutOfRange. */
  growVolume(input: ExpandVolumeInput): Promise<SizeResult>;
  /** The record names the node with this access mode. Throws VolumeNotFound, VolumeInUse, AttachedDifferently. */
  attachVolume(input: PublishVolumeInput): Promise<void>;
  /** The record does not name the node. OK where there is no such volume. */
  detachVolume(input: UnpublishVolumeInput): Promise<void>;
}

/** What is asked of the cluster. */
export interface ClusterActivities {
  /** Throws NodeNotFound unless the node exists. */
  requireNode(input: { readonly nodeId: string }): Promise<void>;
}

export type ControllerActivities = ArrayActivities & ClusterActivities;
