import type { NodesPort } from '../adapters/nodes/port';
import type { ClusterActivities } from '../contract/activities';
import { Fault } from '../domain/fault';
import { parseNodeId } from '../domain/nqn';

/** What is asked of the cluster. */
export function createClusterActivities({ nodes }: { readonly nodes: NodesPort }): ClusterActivities {
  return {
    async requireNode(input) {
      const nodeId = parseNodeId(input.nodeId, 'node_id');
      if (!(await nodes.exists(nodeId))) {
        throw new Fault('NodeNotFound', `node ${nodeId} is not known: no worker of it polls Temporal`);
      }
    },
  };
}
