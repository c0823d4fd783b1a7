import type { ClusterEventDto } from './cluster-events';
import type {
  AttachResult,
  ClearAttachmentsInput,
  CreateVolumeInput,
  DeleteVolumeInput,
  DetachResult,
  EnsureExportResult,
  ExpandNodeVolumeInput,
  ExpandVolumeInput,
  FoundAttachments,
  OutcomeDto,
  PublishVolumeInput,
  SizeResult,
  StageVolumeInput,
  UnpublishVolumeInput,
  UnstageVolumeInput,
} from './operations';
import type { ConfirmedStaleDto, FindingsDto, ReconcileSummary } from './reconcile';

/**
 * What is done on the RDS. Each states a wish and returns only when the RDS has read back as wished; each is idempotent and goes
 * on from wherever an earlier try stopped. Names are stored in histories: they grow, and are never renamed.
 */
export interface ArrayActivities {
  /** A disk of this ID with at least the size asked for, exported. Throws VolumeExists, PoolExhausted, NotOurs. */
  ensureVolume(input: CreateVolumeInput): Promise<SizeResult>;
  /** No disk and no backing file of this ID. Throws VolumeInUse while it is attached, NotOurs. */
  removeVolume(input: DeleteVolumeInput): Promise<void>;
  /** At least `sizeBytes`, at most `limitBytes`. Throws VolumeNotFound, PoolExhausted, SizeOutOfRange, NotOurs. */
  growVolume(input: ExpandVolumeInput): Promise<SizeResult>;
  /** As removeVolume, and only what bears this cluster's record. Throws NotOurs, VolumeInUse. */
  removeOrphan(input: DeleteVolumeInput): Promise<void>;
  /** The record names the node with this access mode and content. Throws VolumeNotFound, VolumeInUse, AttachedDifferently. */
  attachVolume(input: PublishVolumeInput): Promise<AttachResult | undefined>;
  /** The record does not name the node. OK where there is no such volume, or something else is in its slot. */
  detachVolume(input: UnpublishVolumeInput): Promise<DetachResult | undefined>;
  /** Which nodes have the volume, read now; none if there is no such volume, or another cluster's record on it. */
  findAttachments(input: { readonly volumeId: string; readonly clusterId: string }): Promise<FoundAttachments>;
  /**
   * The record names none of these nodes and, with fencing, no session of theirs is left. Throws OperationConflict if the record
   * is not the one that this was judged by and still names one of them.
   */
  clearAttachments(input: ClearAttachmentsInput): Promise<void>;
  /** The export is on for the nodes that this cluster's record names. Only to be called by who holds the volume's workflow ID. */
  ensureExport(input: { readonly volumeId: string; readonly clusterId: string }): Promise<EnsureExportResult>;
}

/** What is counted. */
export interface MetricsActivities {
  countOutcome(outcome: OutcomeDto): Promise<void>;
}

/** What reconcile asks of the RDS and the cluster together. */
export interface ReconcileActivities {
  /** What the two differ in, now. Changes nothing. */
  takeStock(input: { readonly clusterId: string }): Promise<FindingsDto>;
  /**
   * Which of these nodes the record names and do not have the volume any more, asked now: they are gone, or no VolumeAttachment backs
   * it. The record first: what is found is found of just that text. Without Kubernetes none. Throws ClusterUnreachable.
   */
  confirmStale(input: {
    readonly volumeId: string;
    readonly clusterId: string;
    readonly nodeIds: readonly string[];
  }): Promise<ConfirmedStaleDto>;
  /** A run has ended: for metrics. */
  recordPass(pass: { readonly summary: ReconcileSummary; readonly seconds: number }): Promise<void>;
}

/** A node that holds nothing any more: it is gone from the cluster, or a person vouches that it is off. */
export interface LostNodeDto {
  readonly nodeId: string;
  readonly why: 'deleted' | 'out-of-service';
}

/** What is asked of the cluster, and told it. */
export interface ClusterActivities {
  /** Throws NodeNotFound unless the node exists. */
  requireNode(input: { readonly nodeId: string }): Promise<void>;
  /** Which of these nodes are lost, asked now. Without Kubernetes none is. Throws ClusterUnreachable: then nobody knows. */
  findLostNodes(input: { readonly nodeIds: readonly string[] }): Promise<{ readonly lost: readonly LostNodeDto[] }>;
  /** Whether a PersistentVolume is about this volume, asked now; without Kubernetes, and of any doubt, one is. Throws ClusterUnreachable. */
  findPersistentVolume(input: { readonly volumeId: string }): Promise<{ readonly known: boolean }>;
  /** Tells people. Never fails: what cannot be posted, and all without Kubernetes, is in the log alone. */
  postEvent(event: ClusterEventDto): Promise<void>;
}

/** A stage, and the run that does it: only what that very run made is ever undone. */
export interface StageStep extends StageVolumeInput {
  /** The run ID of the stage's workflow. */
  readonly runId: string;
  /** For its undoing: it has not failed, nobody wants it any more. */
  readonly cancelled?: true;
}

/** What a stage has met on its way. */
export interface ConnectResult {
  /** The kernel had given up the device of a mount: with the end of this stage the volume can be used again. */
  readonly recovers?: true;
}

/**
 * What is done on a node, on its own task queue. Each states a wish and returns only when the kernel shows that it holds; each is
 * idempotent and goes on from wherever an earlier try stopped.
 */
export interface NodeActivities {
  /** The volume is connected and has a device, and no dead mount is at its staging path. Throws StagedDifferently, ConnectFailed. */
  connectVolume(step: StageStep): Promise<ConnectResult | undefined>;
  /** The device bears the file system that was asked for: made if the device is proven blank. Throws DeviceNotBlank, DeviceBlank. */
  prepareFileSystem(step: StageStep): Promise<void>;
  /** The file system is mounted at the staging path. Throws StagedDifferently, PathNotOurs. */
  mountStaging(step: StageStep): Promise<void>;
  /** What this run has mounted and connected is neither any more. */
  undoStage(step: StageStep): Promise<void>;
  /** Nothing is mounted at the staging path, and the volume is not connected. Throws MountBusy while it is still published. */
  unstageVolume(input: UnstageVolumeInput): Promise<void>;
  /** Device and file system have the volume's size. Throws NotStaged, NodeTimeout while the node does not see the size. */
  growFileSystem(input: ExpandNodeVolumeInput): Promise<SizeResult>;
  /** Which of these volumes the node has connected now. Touches no device. */
  findHeldVolumes(input: { readonly volumeIds: readonly string[] }): Promise<{ readonly held: readonly string[] }>;
}

export type ControllerActivities = ArrayActivities & ClusterActivities & MetricsActivities & ReconcileActivities;
