import type { NodeId } from '../../domain/nqn';

/** The nodes of the cluster, as far as attaching a volume needs to know them. */
export interface NodesPort {
  /** Whether the node is known. Throws TemporalUnreachable where that cannot be found out now. */
  exists(nodeId: NodeId): Promise<boolean>;
}
