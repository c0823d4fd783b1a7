import type { ClusterPort } from '../kubernetes/port';
import type { NodesPort } from './port';

/** A node exists if Kubernetes has a Node of its name, ready or not. */
export function createClusterNodes(cluster: Pick<ClusterPort, 'findNode'>): NodesPort {
  return {
    whyUnknown: 'Kubernetes has no Node of this name',
    exists: async (nodeId) => (await cluster.findNode(nodeId)) !== undefined,
  };
}
