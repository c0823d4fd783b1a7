import type { ConnectionLike } from '@temporalio/client';
import { Fault } from '../../domain/fault';
import type { NodeId } from '../../domain/nqn';
import type { NodesPort } from './port';

/** `TASK_QUEUE_TYPE_ACTIVITY` of Temporal's API. */
const ACTIVITY_QUEUE = 2;

interface TaskQueueNodesOptions {
  readonly connection: ConnectionLike;
  readonly namespace: string;
  /** The task queue that the node's own worker polls. */
  readonly taskQueueOf: (nodeId: NodeId) => string;
  /** Longest that Temporal may take to answer, in milliseconds. */
  readonly limitMs: number;
}

/**
 * Nodes without Kubernetes: one exists if a worker polls its task queue. Temporal forgets a poller five minutes after its last
 * poll, so a node that restarts stays known.
 */
export function createTaskQueueNodes(options: TaskQueueNodesOptions): NodesPort {
  const { connection, namespace, taskQueueOf, limitMs } = options;
  return {
    whyUnknown: 'no worker of it polls Temporal',
    async exists(nodeId) {
      try {
        const queue = await connection.withDeadline(Date.now() + limitMs, () =>
          connection.workflowService.describeTaskQueue({
            namespace,
            taskQueue: { name: taskQueueOf(nodeId) },
            taskQueueType: ACTIVITY_QUEUE,
          }),
        );
        return queue.pollers.length > 0;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Fault('TemporalUnreachable', `Temporal does not say whether node ${nodeId} exists: ${reason}`, {
          cause: error,
        });
      }
    },
  };
}

/** Every well-formed node counts as known: for trying things out, where no node process runs. */
export const anyNode: NodesPort = { exists: () => Promise.resolve(true), whyUnknown: 'all are' };
