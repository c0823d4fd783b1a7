import type { V1Node, V1PersistentVolume, V1VolumeAttachment } from '@kubernetes/client-node';
import type { ClusterAttachment, ClusterNode, ClusterVolume } from './port';

/** By it a person says that the node is off: https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/ */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** A Node as the driver sees it; undefined if what was answered is none. */
export function findNode({ metadata, spec, status }: V1Node): ClusterNode | undefined {
  if (!metadata?.name) return undefined;
  return {
    nodeId: metadata.name,
    ready: status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
    outOfService: spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false,
  };
}

/** The volume of a PersistentVolume; undefined if it is another driver's. */
export function findVolume({ metadata, spec }: V1PersistentVolume, driverName: string): ClusterVolume | undefined {
  if (!metadata?.name || spec?.csi?.driver !== driverName) return undefined;
  const { namespace, name } = spec.claimRef ?? {};
  return {
    name: metadata.name,
    volumeId: spec.csi.volumeHandle,
    ...(namespace && name && { claim: { namespace, name } }),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

interface AttachmentOptions {
  readonly driverName: string;
  /** Volume IDs by the name of their PersistentVolume. */
  readonly volumeIds: ReadonlyMap<string, string>;
}

/** A VolumeAttachment of the driver; undefined if it is another's. */
export function findAttachment(
  { metadata, spec, status }: V1VolumeAttachment,
  { driverName, volumeIds }: AttachmentOptions,
): ClusterAttachment | undefined {
  if (!metadata?.name || spec.attacher !== driverName) return undefined;
  const { persistentVolumeName: volumeName, inlineVolumeSpec } = spec.source;
  return {
    name: metadata.name,
    volumeId: inlineVolumeSpec?.csi?.volumeHandle ?? volumeIds.get(volumeName ?? ''),
    volumeName,
    nodeId: spec.nodeName,
    attached: status?.attached ?? false,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}
