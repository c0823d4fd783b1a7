import type { Claim } from './claim';
import type { ClusterId } from './record';
import type { Bytes } from './size';
import type { Volume } from './volume';
import type { VolumeId } from './volume-id';

/**
 * Taking stock: what the RDS has is held against what the cluster believes. Pure; what is decided here is looked at again under the
 * volume's own lock before anything is done.
 */

/** What the RDS has, all of it read by one script. */
export interface ArraySurvey {
  /** The volumes of this driver, whether their backing file is listed, their records readable or not. */
  readonly volumes: readonly Volume[];
  /** Files that are called as a volume's backing file, under a configured root, and that no disk uses. */
  readonly strayFiles: readonly StrayFile[];
}

/** A backing file without a disk. */
export interface StrayFile {
  readonly volumeId: VolumeId;
  /** With its leading slash. */
  readonly path: string;
  readonly sizeBytes: Bytes;
}

/** What the cluster believes, read after the RDS was. */
export interface ClusterView {
  readonly nodes: readonly { readonly nodeId: string }[];
  readonly attachments: readonly {
    /** Undefined: nobody can tell which volume it is about. */
    readonly volumeId: string | undefined;
    readonly nodeId: string;
  }[];
  readonly volumes: readonly { readonly name: string; readonly volumeId: string; readonly claim?: Claim }[];
}

/** A node that a record names and that does not have the volume any more. */
export interface StaleAttachment {
  readonly volumeId: string;
  readonly nodeId: string;
  /** `node-deleted`: the cluster has no such node; `no-attachment`: no VolumeAttachment backs it. */
  readonly why: 'node-deleted' | 'no-attachment';
}

/** `disk`: no PersistentVolume is about it; `file`: no disk uses it; `disk-without-file`: its backing file is gone. */
export const ORPHAN_KINDS = ['disk', 'file', 'disk-without-file'] as const;

/** Something on the RDS that nobody owns. */
export interface Orphan {
  readonly kind: (typeof ORPHAN_KINDS)[number];
  readonly volumeId: string;
  /** Of the backing file. */
  readonly path: string;
  /** Decimal, bytes. */
  readonly sizeBytes: string;
  readonly claim?: Claim;
}

/** A PersistentVolume whose data is not there. */
export interface LostVolume {
  /** The PersistentVolume's. */
  readonly name: string;
  readonly volumeId: string;
  readonly why: 'no-disk' | 'no-file';
}

export interface Findings {
  readonly staleAttachments: readonly StaleAttachment[];
  /** Volumes that a node has and that are not exported. */
  readonly missingExports: readonly string[];
  readonly orphans: readonly Orphan[];
  readonly lostVolumes: readonly LostVolume[];
  /** Why nothing of this may be acted upon, for a person; empty: nothing is wrong. */
  readonly problems: readonly string[];
}

/** What the two differ in. `cluster` undefined: there is no Kubernetes, and what only it knows is not judged. */
export function takeStock(
  clusterId: ClusterId,
  { volumes, strayFiles }: ArraySurvey,
  cluster: ClusterView | undefined,
): Findings {
  const ours = volumes.filter(({ record }) => record?.clusterId === clusterId);
  const disks = new Map(volumes.map((volume) => [volume.volumeId as string, volume]));
  return {
    staleAttachments: cluster ? ours.flatMap((volume) => staleAttachmentsOf(volume, cluster)) : [],
    missingExports: ours.filter(isServedToNobody).map(({ volumeId }) => volumeId),
    orphans: [...findOrphanDisks(ours, cluster), ...strayFiles.map(orphanOf)],
    lostVolumes: cluster ? cluster.volumes.flatMap((volume) => findLost(volume, disks)) : [],
    problems: findProblems(volumes, cluster),
  };
}

function staleAttachmentsOf({ volumeId, record }: Volume, cluster: ClusterView): readonly StaleAttachment[] {
  return (record?.attachments ?? []).flatMap(({ nodeId }): readonly StaleAttachment[] => {
    const why = whyStale({ volumeId, nodeId }, cluster);
    return why ? [{ volumeId, nodeId, why }] : [];
  });
}

/** Why a node that the record names does not have the volume any more; undefined: it may have it. */
export function whyStale(
  { volumeId, nodeId }: { readonly volumeId: string; readonly nodeId: string },
  { nodes, attachments }: Pick<ClusterView, 'nodes' | 'attachments'>,
): StaleAttachment['why'] | undefined {
  if (!nodes.some((node) => node.nodeId === nodeId)) return 'node-deleted';
  // One that names a PersistentVolume which is gone may be about any volume, and so about this one.
  const isBacked = attachments.some(
    (attachment) =>
      attachment.nodeId === nodeId && (attachment.volumeId === undefined || attachment.volumeId === volumeId),
  );
  return isBacked ? undefined : 'no-attachment';
}

function isServedToNobody({ exported, record }: Volume): boolean {
  return !exported && (record?.attachments.length ?? 0) > 0;
}

function findOrphanDisks(ours: readonly Volume[], cluster: ClusterView | undefined): readonly Orphan[] {
  const known = cluster && new Set(cluster.volumes.map(({ volumeId }) => volumeId));
  return ours.flatMap((volume): readonly Orphan[] => {
    const { volumeId, filePath, sizeBytes, record, fileExists } = volume;
    const isUnknown = known !== undefined && !known.has(volumeId);
    if (!isUnknown && fileExists !== false) return [];
    const kind = fileExists === false ? 'disk-without-file' : 'disk';
    const claim = record?.claim ? { claim: record.claim } : {};
    return [{ kind, volumeId, path: filePath, sizeBytes: sizeBytes.toString(), ...claim }];
  });
}

function orphanOf({ volumeId, path, sizeBytes }: StrayFile): Orphan {
  return { kind: 'file', volumeId, path, sizeBytes: sizeBytes.toString() };
}

function findLost(
  { name, volumeId }: ClusterView['volumes'][number],
  disks: ReadonlyMap<string, Volume>,
): readonly LostVolume[] {
  const disk = disks.get(volumeId);
  if (!disk) return [{ name, volumeId, why: 'no-disk' }];
  return disk.fileExists === false ? [{ name, volumeId, why: 'no-file' }] : [];
}

/** What makes the rest of it doubtful: then nothing is done at all. */
function findProblems(volumes: readonly Volume[], cluster: ClusterView | undefined): readonly string[] {
  const damaged = volumes.flatMap(({ recordProblem }) => (recordProblem === undefined ? [] : [recordProblem]));
  // No cluster is without nodes: whoever was asked is not the one, or does not show them to this driver.
  const blind = cluster && cluster.nodes.length === 0 ? ['the cluster shows no node at all'] : [];
  return [...damaged, ...blind];
}
