import type { NodeId } from '../../domain/nqn';

/** The nodes of the cluster, as far as attaching a volume needs to know them. */
export interface NodesPort {
  /** Whether the node is known. Throws TemporalUnreachable or ClusterUnreachable where that cannot be found out now. */
  exists(nodeId: NodeId): Promise<boolean>;
  /** Why a node that does not exist counts as such, for a person. */
  readonly whyUnknown: string;
}
