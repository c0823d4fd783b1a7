import { Worker } from '@temporalio/worker';
import { createArrayActivities } from '../../src/activities/array-activities';
import { createClusterActivities } from '../../src/activities/cluster-activities';
import { createActivityInterceptor } from '../../src/activities/interceptor';
import type { ClusterPort } from '../../src/adapters/kubernetes/port';
import type { NodesPort } from '../../src/adapters/nodes/port';
import type { DisksPort } from '../../src/adapters/routeros/port';
import { HEARTBEAT_INTERVAL_MS } from '../../src/contract/limits';
import { CONTROLLER_TASK_QUEUE, nodeTaskQueueOf } from '../../src/contract/task-queues';
import type { Logger } from '../../src/domain/log';
import { connectTestWorker, type TestNamespace, testWorkflowBundle } from './temporal';

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface TestWorkerOptions {
  readonly test: TestNamespace;
  readonly disks: DisksPort;
  readonly nodes: NodesPort;
  readonly cluster?: ClusterPort;
  readonly waitingFor?: () => string | undefined;
}

/** The controller's worker over ports that a test hands in. */
export async function startTestWorker(options: TestWorkerOptions) {
  const { test, disks, nodes, cluster, waitingFor = () => undefined } = options;
  const connection = await connectTestWorker(test.address);
  const worker = await Worker.create({
    connection,
    namespace: test.namespace,
    taskQueue: CONTROLLER_TASK_QUEUE,
    workflowBundle: testWorkflowBundle(),
    activities: {
      ...createArrayActivities({ disks }),
      ...createClusterActivities({ nodes, cluster, logger: silent, onEvent: () => {} }),
    },
    interceptors: { activity: [createActivityInterceptor({ logger: silent, waitingFor })] },
    maxHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
  });
  const ended = worker.run();
  return {
    async stop(): Promise<void> {
      worker.shutdown();
      await ended;
      await connection.close();
    },
  };
}

/** A worker that polls a node's task queue, as a node process does: the controller knows the node by it. */
export async function startTestNode(test: TestNamespace, nodeId: string) {
  const connection = await connectTestWorker(test.address);
  const worker = await Worker.create({
    connection,
    namespace: test.namespace,
    taskQueue: nodeTaskQueueOf(nodeId),
    activities: { idle: () => Promise.resolve() },
  });
  const ended = worker.run();
  return {
    async stop(): Promise<void> {
      worker.shutdown();
      await ended;
      await connection.close();
    },
  };
}
