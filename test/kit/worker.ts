import { Worker } from '@temporalio/worker';
import { createArrayActivities } from '../../src/activities/array-activities';
import type { AttachmentEvent } from '../../src/activities/attachment-activities';
import { createClusterActivities } from '../../src/activities/cluster-activities';
import { createActivityInterceptor } from '../../src/activities/interceptor';
import { createMetricsActivities } from '../../src/activities/metrics-activities';
import { createReconcileActivities } from '../../src/activities/reconcile-activities';
import type { ClusterPort } from '../../src/adapters/kubernetes/port';
import type { NodesPort } from '../../src/adapters/nodes/port';
import type { DisksPort } from '../../src/adapters/routeros/port';
import { HEARTBEAT_INTERVAL_MS } from '../../src/contract/limits';
import type { OutcomeDto } from '../../src/contract/operations';
import type { ReconcileSummary } from '../../src/contract/reconcile';
import { CONTROLLER_TASK_QUEUE, nodeTaskQueueOf } from '../../src/contract/task-queues';
import type { Fencing } from '../../src/domain/export';
import type { Logger } from '../../src/domain/log';
import { connectTestWorker, type TestNamespace, testWorkflowBundle } from './temporal';

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface TestWorkerOptions {
  readonly test: TestNamespace;
  readonly disks: DisksPort;
  readonly nodes: NodesPort;
  readonly cluster?: ClusterPort;
  readonly fencing?: Fencing;
  readonly waitingFor?: () => string | undefined;
}

/** The controller's worker over ports that a test hands in. */
export async function startTestWorker(options: TestWorkerOptions) {
  const { test, disks, nodes, cluster, fencing = 'off', waitingFor = () => undefined } = options;
  const outcomes: OutcomeDto[] = [];
  const attachments: AttachmentEvent[] = [];
  const passes: ReconcileSummary[] = [];
  const connection = await connectTestWorker(test.address);
  const array = createArrayActivities({ disks, fencing, onAttachment: (event) => attachments.push(event) });
  const worker = await Worker.create({
    connection,
    namespace: test.namespace,
    taskQueue: CONTROLLER_TASK_QUEUE,
    workflowBundle: testWorkflowBundle(),
    activities: {
      ...array,
      ...createReconcileActivities({
        disks,
        array,
        cluster,
        onPass: ({ summary }) => passes.push(summary),
      }),
      ...createClusterActivities({ nodes, cluster, logger: silent, onEvent: () => {} }),
      ...createMetricsActivities({ onOutcome: (outcome) => outcomes.push(outcome) }),
    },
    interceptors: { activity: [createActivityInterceptor({ logger: silent, waitingFor })] },
    maxHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
  });
  const ended = worker.run();
  return {
    /** What workflows have decided, for the metrics. */
    outcomes,
    /** What activities have told of attachments. */
    attachments,
    /** Runs of reconcile that have ended. */
    passes,
    async stop(): Promise<void> {
      worker.shutdown();
      await ended;
      await connection.close();
    },
  };
}

type Activity = (...input: never[]) => Promise<unknown>;

/** A worker that polls a node's task queue, as a node process does: the controller knows the node by it. */
export async function startTestNode(
  test: TestNamespace,
  nodeId: string,
  activities: Readonly<Record<string, Activity>> = { idle: () => Promise.resolve() },
) {
  const connection = await connectTestWorker(test.address);
  const worker = await Worker.create({
    connection,
    namespace: test.namespace,
    taskQueue: nodeTaskQueueOf(nodeId),
    activities,
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
