import { once } from 'node:events';
import path from 'node:path';
import { Runtime } from '@temporalio/worker';
import { createArrayActivities } from '../activities/array-activities';
import { createClusterActivities } from '../activities/cluster-activities';
import { createActivityInterceptor } from '../activities/interceptor';
import { createMetricsActivities } from '../activities/metrics-activities';
import { createReconcileActivities } from '../activities/reconcile-activities';
import type { Kubernetes } from '../adapters/kubernetes/kubernetes';
import type { ClusterPort } from '../adapters/kubernetes/port';
import { createClusterNodes } from '../adapters/nodes/cluster-nodes';
import type { NodesPort } from '../adapters/nodes/port';
import { anyNode, createTaskQueueNodes } from '../adapters/nodes/task-queue-nodes';
import type { ClusterActivities } from '../contract/activities';
import { TEMPORAL_CALL_LIMIT_MS } from '../contract/limits';
import { CONTROLLER_TASK_QUEUE, nodeTaskQueueOf } from '../contract/task-queues';
import { createControllerService } from '../csi/controller';
import { ControllerService, IdentityService } from '../csi/generated/csi';
import { createIdentityService } from '../csi/identity';
import { createOperations, type RunOperation } from '../csi/operations';
import { type CsiServer, startCsiServer } from '../csi/server';
import type { Logger } from '../domain/log';
import { connectArray, type RdsArray } from './array';
import { createAttachmentListener } from './attachment-events';
import type { ControllerConfig } from './config/controller-config';
import { startHttpServer } from './http-server';
import { findKubernetes, logNodeChanges } from './kubernetes';
import { temporalRuntimeOptions } from './log';
import { type ControllerMetrics, createControllerMetrics } from './metrics';
import { NamespaceClaim } from './namespace-claim';
import { keepReconcileSchedule } from './reconcile-schedule';
import { createReconcileTriggers } from './reconcile-triggers';
import { endWithin } from './stop';
import { createTemporalClient, monitorTemporal, type TemporalClient } from './temporal-client';
import { superviseWorker } from './temporal-worker';
import { VERSION } from './version';

/** The workflow bundle that the build has made, beside the program. */
const WORKFLOW_BUNDLE = path.resolve(__dirname, '../../workflow-bundle.js');
/** Calls under way when the process is told to stop get this long to answer. */
const CALL_GRACE_MS = 2_000;

interface ControllerProcess {
  readonly logger: Logger;
  /** Aborted: take no more work, let what is under way end, and return. */
  readonly signal: AbortSignal;
}

/**
 * The controller process: CSI Identity and Controller on a Unix socket, and the worker for all workflows and for the activities
 * on the RDS. It serves at once, whether the RDS and Temporal are there or not, and is ready when they are.
 */
export async function runController(config: ControllerConfig, { logger, signal }: ControllerProcess): Promise<void> {
  Runtime.install(temporalRuntimeOptions(logger));
  const metrics = createControllerMetrics();
  const temporal = createTemporalClient(config.temporal);
  const claim = new NamespaceClaim(config.temporal.namespace);
  const reconcile = keepReconcileSchedule({
    client: temporal.client,
    input: { clusterId: config.clusterId, driverName: config.driverName, ...config.reconcile.rules },
    intervalSeconds: config.reconcile.intervalSeconds,
    claim,
    logger,
    signal,
  });
  const kubernetes = findKubernetes(config, logger);
  const cluster = createClusterActivities({
    nodes: nodesOf(config, { connection: temporal.connection, kubernetes }),
    cluster: kubernetes?.cluster,
    logger,
    onEvent: metrics.observeEvent,
  });
  const triggers = createReconcileTriggers({ schedule: reconcile, cluster, address: config.rds.address, logger });
  triggers.onStart();
  const array = connectArray(config, { logger, metrics, onConnection: triggers.onConnection });
  const monitor = monitorTemporal({ temporal, logger, signal });
  const worker = superviseWorker({
    temporal: config.temporal,
    options: workerOptionsOf(config, { array, logger, metrics, cluster, port: kubernetes?.cluster }),
    admission: claim,
    logger,
    signal,
  });
  const watcher = kubernetes?.watchNodes((changes) => {
    logNodeChanges(changes, logger);
    triggers.onNodes(changes);
  });
  const ready = (): boolean => array.connected && monitor.connected && claim.isOurs && worker.running;
  const http =
    config.httpAddress &&
    (await startHttpServer({ address: config.httpAddress, registry: metrics.registry, ready, logger }));
  const operations = createOperations(temporal.client);
  const run: RunOperation = async (operation, patience) => {
    claim.require();
    return await operations(operation, patience);
  };
  const server = await serve(config, { logger, signal, metrics, array, ready, run });
  logger.info({ endpoint: config.socketPath, clusterId: config.clusterId }, 'the controller serves');

  if (!signal.aborted) await once(signal, 'abort');
  logger.info({}, 'the controller stops');
  const end = async (): Promise<void> => {
    await Promise.all([server.stop(CALL_GRACE_MS), worker.ended]);
    await Promise.all([array.stop(), watcher?.stop(), temporal.connection.close(), http?.close()]);
  };
  await endWithin(end, logger);
}

interface NodesParts {
  readonly connection: TemporalClient['connection'];
  readonly kubernetes: Kubernetes | undefined;
}

function nodesOf({ nodeCheck, temporal }: ControllerConfig, { connection, kubernetes }: NodesParts): NodesPort {
  if (nodeCheck === 'off') return anyNode;
  if (nodeCheck === 'kubernetes' && kubernetes) return createClusterNodes(kubernetes.cluster);
  const { namespace } = temporal;
  return createTaskQueueNodes({ connection, namespace, taskQueueOf: nodeTaskQueueOf, limitMs: TEMPORAL_CALL_LIMIT_MS });
}

interface WorkerParts {
  readonly array: RdsArray;
  readonly cluster: ClusterActivities;
  /** Undefined: there is no Kubernetes. */
  readonly port: ClusterPort | undefined;
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
}

function workerOptionsOf(config: ControllerConfig, { array, cluster, port, logger, metrics }: WorkerParts) {
  const interceptor = createActivityInterceptor({ logger, waitingFor: () => array.whyDown });
  const onAttachment = createAttachmentListener({ cluster, metrics, logger });
  const arrayActivities = createArrayActivities({ disks: array.disks, fencing: config.fencing, onAttachment });
  const onPass = metrics.observePass;
  return {
    taskQueue: CONTROLLER_TASK_QUEUE,
    workflowBundle: { codePath: WORKFLOW_BUNDLE },
    activities: {
      ...arrayActivities,
      ...cluster,
      ...createMetricsActivities({ onOutcome: metrics.observeOutcome }),
      ...createReconcileActivities({ disks: array.disks, array: arrayActivities, cluster: port, onPass }),
    },
    interceptors: { activity: [interceptor] },
    // More would only wait for a free exec: so they wait in Temporal, where another replica may take them.
    maxConcurrentActivityTaskExecutions: 2 * config.rds.maxExecs,
  };
}

interface ServedParts {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly metrics: ControllerMetrics;
  readonly array: RdsArray;
  readonly ready: () => boolean;
  readonly run: ReturnType<typeof createOperations>;
}

async function serve(config: ControllerConfig, parts: ServedParts): Promise<CsiServer> {
  const { logger, signal, metrics, array, ready, run } = parts;
  const scope = { logger, observe: metrics.observeRpc, stopping: signal };
  const { driverName, clusterId, volumePaths, nvme, fencing } = config;
  const probe = (): boolean => {
    metrics.recordConnection(config.rds.address, array.connected);
    return ready();
  };
  const defaults = { volumePaths, nvmeAddress: nvme.address, nvmePort: nvme.port, nqnPrefix: nvme.nqnPrefix };
  const controller = { clusterId, fencing, rdsAddress: config.rds.address, defaults, run, volumes: array.disks };
  return await startCsiServer({
    socketPath: config.socketPath,
    services: [
      {
        definition: IdentityService,
        implementation: createIdentityService({ driverName, version: VERSION, ready: probe }, scope),
      },
      { definition: ControllerService, implementation: createControllerService(controller, scope) },
    ],
  });
}
