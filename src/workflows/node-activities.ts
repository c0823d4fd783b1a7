import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { NodeActivities } from '../contract/activities';
import {
  NODE_FORMAT_TIMEOUT_MS,
  NODE_HEARTBEAT_TIMEOUT_MS,
  NODE_STEP_TIMEOUT_MS,
  RETRY_INITIAL_INTERVAL_MS,
  RETRY_MAXIMUM_INTERVAL_MS,
} from '../contract/limits';
import { nodeTaskQueueOf } from '../contract/task-queues';

/**
 * Acts on a node, through its own task queue: they wait for as long as the node is away. A cancelled one is waited for, since
 * what it has started may still take effect.
 */
export function nodeActivitiesOf(nodeId: string): Omit<NodeActivities, 'findHeldVolumes'> {
  const options = {
    taskQueue: nodeTaskQueueOf(nodeId),
    heartbeatTimeout: NODE_HEARTBEAT_TIMEOUT_MS,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: RETRY_INITIAL_INTERVAL_MS,
      backoffCoefficient: 2,
      maximumInterval: RETRY_MAXIMUM_INTERVAL_MS,
    },
  };
  const steps = proxyActivities<NodeActivities>({ ...options, startToCloseTimeout: NODE_STEP_TIMEOUT_MS });
  const longSteps = proxyActivities<NodeActivities>({ ...options, startToCloseTimeout: NODE_FORMAT_TIMEOUT_MS });
  const { connectVolume, mountStaging, undoStage, unstageVolume } = steps;
  const { prepareFileSystem, growFileSystem } = longSteps;
  return { connectVolume, prepareFileSystem, mountStaging, undoStage, unstageVolume, growFileSystem };
}
