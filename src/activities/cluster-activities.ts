import type { ClusterNode, ClusterPort } from '../adapters/kubernetes/port';
import type { NodesPort } from '../adapters/nodes/port';
import type { ClusterActivities, LostNodeDto } from '../contract/activities';
import type { ClusterEventDto } from '../contract/cluster-events';
import type { EventReason } from '../domain/event-reason';
import { Fault } from '../domain/fault';
import type { Logger } from '../domain/log';
import { parseNodeId } from '../domain/nqn';
import { shareNext } from './share-next';

/** As many nodes are asked for one by one; more are found in the list of all. */
const MOST_SINGLE_NODES = 8;

interface ClusterParts {
  readonly nodes: NodesPort;
  /** Undefined: there is no Kubernetes. */
  readonly cluster: ClusterPort | undefined;
  readonly logger: Logger;
  /** Told of each event that was posted or, without Kubernetes, logged. */
  readonly onEvent: (reason: EventReason) => void;
}

/** What is asked of the cluster, and told it. */
export function createClusterActivities({ nodes, cluster, logger, onEvent }: ClusterParts): ClusterActivities {
  // Many volumes are looked at at once, each under its own lock: they share what is the same for all.
  const listVolumes = shareNext(async () => (await cluster?.listVolumes()) ?? []);
  return {
    async requireNode(input) {
      const nodeId = parseNodeId(input.nodeId, 'node_id');
      if (await nodes.exists(nodeId)) return;
      throw new Fault('NodeNotFound', `node ${nodeId} is not known: ${nodes.whyUnknown}`);
    },
    async findLostNodes({ nodeIds }) {
      return { lost: cluster ? await findLost(cluster, nodeIds) : [] };
    },
    async findPersistentVolume({ volumeId }) {
      return { known: !cluster || (await listVolumes()).some((volume) => volume.volumeId === volumeId) };
    },
    async postEvent(event) {
      logger[event.type === 'Warning' ? 'warn' : 'info'](fieldsOf(event), event.message);
      try {
        await cluster?.postEvent(event);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        logger.warn({ ...fieldsOf(event), error }, `the event ${event.reason} could not be posted: ${error.message}`);
        return;
      }
      onEvent(event.reason);
    },
  };
}

async function findLost(cluster: ClusterPort, nodeIds: readonly string[]): Promise<readonly LostNodeDto[]> {
  const asked = [...new Set(nodeIds)];
  const found = asked.length <= MOST_SINGLE_NODES ? await findEach(cluster, asked) : await cluster.listNodes();
  const nodes = new Map(found.map((node) => [node.nodeId, node]));
  return asked.flatMap((nodeId): readonly LostNodeDto[] => {
    const node = nodes.get(nodeId);
    if (!node) return [{ nodeId, why: 'deleted' }];
    return node.outOfService ? [{ nodeId, why: 'out-of-service' }] : [];
  });
}

async function findEach(cluster: ClusterPort, nodeIds: readonly string[]): Promise<readonly ClusterNode[]> {
  const found = await Promise.all(nodeIds.map((nodeId) => cluster.findNode(nodeId)));
  return found.filter((node) => node !== undefined);
}

function fieldsOf({ reason, on }: ClusterEventDto): Readonly<Record<string, unknown>> {
  return { event: reason, ...('volumeId' in on ? { volumeId: on.volumeId } : { on }) };
}
