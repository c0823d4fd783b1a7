import type { V1Node } from '@kubernetes/client-node';
import { Fault } from '../../domain/fault';
import { askFor, type KubernetesApis } from './connection';
import { createEventPoster } from './events';
import { listAttachments, listNodes, listVolumes } from './lists';
import { findAttachment, findNode, findVolume } from './objects';
import type { ClusterPort, ClusterVolume } from './port';

export interface ClusterOptions {
  readonly apis: KubernetesApis;
  /** Under which Kubernetes knows the driver: attacher, and driver of PersistentVolumes. */
  readonly driverName: string;
  /** The Pod of this process; undefined where it is not known. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
}

/** The Kubernetes cluster, asked over its API. */
export function createCluster({ apis, driverName, pod }: ClusterOptions): ClusterPort {
  const driversVolumes = async (): Promise<readonly ClusterVolume[]> => {
    const { items } = await listVolumes(apis);
    return items.map((item) => findVolume(item, driverName)).filter((volume) => volume !== undefined);
  };
  return {
    async findNode(nodeId) {
      const call = { verb: 'get', group: '', resource: 'nodes', name: nodeId } as const;
      const node = await askFor(apis, call, () => apis.core.readNode({ name: nodeId }));
      if (node === undefined) return undefined;
      const found = getNode(node);
      if (found.nodeId !== nodeId) throw notWhatWasAsked(`node ${nodeId}`);
      return found;
    },
    async listNodes() {
      return (await listNodes(apis)).items.map(getNode);
    },
    async listAttachments() {
      // In this order: an attachment's PersistentVolume is there before it is made.
      const { items } = await listAttachments(apis);
      const volumeIds = new Map((await driversVolumes()).map(({ name, volumeId }) => [name, volumeId]));
      return items
        .map((item) => findAttachment(item, { driverName, volumeIds }))
        .filter((attachment) => attachment !== undefined);
    },
    listVolumes: driversVolumes,
    postEvent: createEventPoster({ apis, driverName, pod, listVolumes: driversVolumes }),
  };
}

/** Throws ClusterUnreachable if it is no Node. */
export function getNode(node: V1Node) {
  const found = findNode(node);
  if (!found) throw notWhatWasAsked('a Node');
  return found;
}

function notWhatWasAsked(what: string): Fault {
  return new Fault('ClusterUnreachable', `what answers in the place of the Kubernetes API server gave not ${what}`);
}
