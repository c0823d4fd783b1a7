/**
 * The operations: inputs and results of the workflows, as they are stored in histories. JSON alone: bytes travel as decimal
 * strings. This file outlives releases: fields are added, never renamed; no secrets.
 */

/** How a volume is attached to a node, as in the record of domain/record.ts. */
export interface AttachmentDto {
  readonly nodeId: string;
  readonly accessMode: string;
  readonly readOnly: boolean;
  /** `block`, or the file system. */
  readonly content: string;
}

export interface CreateVolumeInput {
  readonly volumeId: string;
  /** Decimal, bytes. */
  readonly sizeBytes: string;
  /** Decimal, bytes; absent: no limit. */
  readonly limitBytes?: string;
  readonly volumePath: string;
  readonly nqn: string;
  readonly nvmePort: number;
  readonly clusterId: string;
  /** The PersistentVolumeClaim that the volume is made for, where the provisioner tells. */
  readonly claim?: { readonly namespace: string; readonly name: string };
}

export interface SizeResult {
  /** Size that the RDS reports, decimal, bytes. */
  readonly sizeBytes: string;
}

export interface DeleteVolumeInput {
  readonly volumeId: string;
  /** A volume that another cluster's record is on is not deleted. */
  readonly clusterId: string;
}

export interface ExpandVolumeInput {
  readonly volumeId: string;
  /** A volume that another cluster's record is on is not grown; absent: it is, whoever's it is. */
  readonly clusterId?: string;
  /** Decimal, bytes. */
  readonly sizeBytes: string;
  /** Decimal, bytes; absent: no limit. */
  readonly limitBytes?: string;
}

export interface PublishVolumeInput {
  readonly volumeId: string;
  readonly attachment: AttachmentDto;
  /** Written into the record of a volume that has none, or that another cluster made and holds no more. */
  readonly clusterId: string;
  /** How long two nodes may have it, for a volume that two may; absent: the default. */
  readonly migrationTimeoutSeconds?: number;
}

/** The claim that a volume was made for. */
export interface ClaimDto {
  readonly namespace: string;
  readonly name: string;
}

/** Two nodes that write to one raw block volume: a live migration. */
export interface MigrationDto {
  readonly nodeIds: readonly string[];
  readonly claim?: ClaimDto;
}

/** Two nodes have the volume, now that it is attached. */
export interface AttachResult {
  readonly migration: MigrationDto;
}

/** A live migration may have ended with it. */
export interface DetachResult {
  readonly mayEndMigration: true;
}

/** Which nodes have a volume, as this cluster's record says. */
export interface FoundAttachments {
  readonly attachments: readonly AttachmentDto[];
  /** The two nodes that write to it, if there are two. */
  readonly migratingNodeIds?: readonly string[];
  readonly claim?: ClaimDto;
  /** The text that says so: what is decided on its ground is done only while it stands. */
  readonly comment: string;
}

export interface ClearAttachmentsInput {
  readonly volumeId: string;
  readonly clusterId: string;
  /** The nodes that have the volume no more, and have not given it back themselves. */
  readonly nodeIds: readonly string[];
  /** The comment that this was judged by. */
  readonly judgedComment: string;
}

/** What became of an export that should be there. */
export interface EnsureExportResult {
  /**
   * `served`: it is as the record wants it; `restored`: it was not, and is now; `not-wanted`: no record of this cluster names a
   * node, or there is no such volume; `disabled`: a person has disabled the disk, which is left so.
   */
  readonly state: 'served' | 'restored' | 'not-wanted' | 'disabled';
}

export interface WatchMigrationInput {
  readonly volumeId: string;
  readonly clusterId: string;
  readonly migration: MigrationDto;
  /** From the second attachment on. */
  readonly timeoutSeconds: number;
}

/** What a workflow has decided, for the metrics. */
export type OutcomeDto =
  | { readonly kind: 'attachment-conflict' }
  | { readonly kind: 'migration'; readonly result: 'success' | 'timeout'; readonly seconds: number };

export interface UnpublishVolumeInput {
  readonly volumeId: string;
  /** What another cluster's record says is left alone. */
  readonly clusterId: string;
  /** Absent: from all nodes (CSI 1.12, ControllerUnpublishVolume: an unset node_id). */
  readonly nodeId?: string;
}

/** Where a volume is exported, for the node that connects it. */
export interface ConnectTargetDto {
  readonly nqn: string;
  readonly address: string;
  readonly port: number;
  /** Path of the backing file on the RDS. */
  readonly filePath: string;
  /** Seconds; -1: never give a lost connection up. */
  readonly ctrlLossTmo: number;
  readonly reconnectDelay: number;
  readonly keepAliveTmo?: number;
}

/** How a volume is staged: with its file system, or as a bare device. */
export type StageModeDto =
  | {
      readonly kind: 'mount';
      readonly fileSystem: string;
      readonly mountFlags: readonly string[];
      readonly mkfsOptions: readonly string[];
      readonly readOnly: boolean;
    }
  | { readonly kind: 'block'; readonly readOnly: boolean };

export interface StageVolumeInput {
  readonly volumeId: string;
  readonly nodeId: string;
  readonly stagingTargetPath: string;
  readonly target: ConnectTargetDto;
  readonly mode: StageModeDto;
  /** The kubelet takes the volume for staged, and will not ask again: if this fails, the next publish must find out by itself. */
  readonly restages?: true;
}

export interface UnstageVolumeInput {
  readonly volumeId: string;
  readonly nodeId: string;
  readonly stagingTargetPath: string;
}

export interface ExpandNodeVolumeInput {
  readonly volumeId: string;
  readonly nodeId: string;
  /** Where the volume is published or staged. */
  readonly volumePath: string;
  /** What the node must see at least, decimal, bytes; absent: whatever the device has. */
  readonly sizeBytes?: string;
}

/** Every operation by the name of its workflow. */
export interface Operations {
  readonly createVolume: { readonly input: CreateVolumeInput; readonly result: SizeResult };
  readonly deleteVolume: { readonly input: DeleteVolumeInput; readonly result: void };
  readonly expandVolume: { readonly input: ExpandVolumeInput; readonly result: SizeResult };
  readonly publishVolume: { readonly input: PublishVolumeInput; readonly result: void };
  readonly unpublishVolume: { readonly input: UnpublishVolumeInput; readonly result: void };
  readonly stageVolume: { readonly input: StageVolumeInput; readonly result: void };
  readonly unstageVolume: { readonly input: UnstageVolumeInput; readonly result: void };
  readonly expandNodeVolume: { readonly input: ExpandNodeVolumeInput; readonly result: SizeResult };
}

export type OperationName = keyof Operations;

/** The workflow functions, by their names in Temporal. */
export type OperationWorkflows = {
  readonly [Name in OperationName]: (input: Operations[Name]['input']) => Promise<Operations[Name]['result']>;
};

/** What reconcile does to one volume (contract/reconcile.ts). No caller asks for it, and each who asks for the volume ends it. */
export const REPAIR = 'repairVolume';

/** Which running operations a new one makes pointless, so that it may cancel them: delete over create, and so on. */
export const NEGATES: { readonly [Name in OperationName]: readonly OperationName[] } = {
  createVolume: [],
  deleteVolume: ['createVolume', 'expandVolume'],
  expandVolume: [],
  publishVolume: [],
  unpublishVolume: ['publishVolume'],
  stageVolume: [],
  unstageVolume: ['stageVolume', 'expandNodeVolume'],
  expandNodeVolume: [],
};

/** What a run keeps in its memo, so that another caller can tell whether it is the same operation. */
export interface OperationMemo {
  /** SHA-256 of workflow type and input, hex. */
  readonly operationHash: string;
  /** The node that the operation is about; absent if it is about no node in particular. */
  readonly nodeId?: string;
}
