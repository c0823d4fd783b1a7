import { v5 as uuidOfName } from 'uuid';
import type { NodeId } from './nqn';

/** NVMe host ID of a node: UUID v5 of its node ID in the DNS namespace. The same at every start of every container. */
export function hostIdOf(nodeId: NodeId): string {
  return uuidOfName(nodeId, uuidOfName.DNS);
}

/** NVMe host NQN of a node, made of its host ID as the NVMe base specification has it for UUIDs. */
export function hostNqnOf(nodeId: NodeId): string {
  return `nqn.2014-08.org.nvmexpress:uuid:${hostIdOf(nodeId)}`;
}
