/** Where every workflow runs, and the activities that act on the RDS and on Kubernetes. */
export const CONTROLLER_TASK_QUEUE = 'rds-csi-controller';

/** The queue of one node's own activities. A node exists, where there is no Kubernetes, if a worker polls it. */
export function nodeTaskQueueOf(nodeId: string): string {
  return `rds-csi-node-${nodeId}`;
}
