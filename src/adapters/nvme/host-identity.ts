import { hostIdOf, hostNqnOf } from '../../domain/host-nqn';
import type { NodeId } from '../../domain/nqn';
import type { HostIdentity } from './port';

/** Who a node is to the RDS, from its node ID alone: files of the container's own would make it another host at every start. */
export function hostIdentityOf(nodeId: NodeId): HostIdentity {
  return { nodeId, hostNqn: hostNqnOf(nodeId), hostId: hostIdOf(nodeId) };
}
