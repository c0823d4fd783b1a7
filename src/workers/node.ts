import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { Runtime } from '@temporalio/worker';
import { createActivityInterceptor } from '../activities/interceptor';
import { createLocalVolumes } from '../activities/local-volumes';
import { createNodeActivities } from '../activities/node-activities';
import type { NodeParts } from '../activities/node-parts';
import type { SweepParts } from '../activities/session-sweep';
import { createStageDemand, type StageDemand } from '../activities/stage-demand';
import { createTurns } from '../activities/turns';
import { createDeviceUsers } from '../adapters/mount/device-users';
import { createFileSystems } from '../adapters/mount/file-systems';
import { createMounts } from '../adapters/mount/mounts';
import { createPaths } from '../adapters/mount/paths';
import type { MountPort } from '../adapters/mount/port';
import { type ConnectLine, createConnectLine } from '../adapters/nvme/connect-line';
import { hostIdentityOf } from '../adapters/nvme/host-identity';
import { createLoopConnector } from '../adapters/nvme/loop-connector';
import { createNvmeConnector } from '../adapters/nvme/nvme-connector';
import type { ConnectorPort } from '../adapters/nvme/port';
import type { ProcessPort } from '../adapters/process/port';
import { createProcesses } from '../adapters/process/processes';
import { createFileNotes } from '../adapters/stage-notes/file-notes';
import { createStageTraces } from '../adapters/stage-notes/stage-traces';
import { nodeTaskQueueOf } from '../contract/task-queues';
import { IdentityService, NodeService } from '../csi/generated/csi';
import { createIdentityService } from '../csi/identity';
import { createNodeService } from '../csi/node';
import { createOperations, type RunOperation } from '../csi/operations';
import { type CsiServer, startCsiServer } from '../csi/server';
import type { ObserveRpc } from '../csi/unary';
import type { Logger } from '../domain/log';
import type { NodeId } from '../domain/nqn';
import type { VolumeId } from '../domain/volume-id';
import type { NodeConfig } from './config/node-config';
import { observeConnects } from './connects';
import { startHttpServer } from './http-server';
import { temporalRuntimeOptions } from './log';
import { createNodeMetrics, type NodeMetrics } from './node-metrics';
import { startInOrder } from './node-start';
import { watchSessions, watchStaleMounts } from './sessions';
import { endWithin } from './stop';
import { sweepAtStart } from './sweep';
import { createTemporalClient, monitorTemporal } from './temporal-client';
import { type SupervisedWorker, superviseWorker } from './temporal-worker';
import { VERSION } from './version';

/** Calls under way when the process is told to stop get this long to answer. */
const CALL_GRACE_MS = 2_000;
/** Longest that an act on a volume waits for another on it. */
const TURN_LIMIT_MS = 60_000;
/**
 * Steps that run at a time; more wait in Temporal. Many, since one that takes long, or hangs, shall keep no other volume's out: what
 * is heavy about them takes turns by itself (device-content.ts).
 */
const MOST_ACTIVITIES = 100;

interface NodeProcess {
  readonly logger: Logger;
  /** Aborted: take no more work, let what is under way end, and return. */
  readonly signal: AbortSignal;
}

/**
 * The node process: CSI Identity and Node on a Unix socket, and a worker for this node's own activities. What is staged goes on
 * being published, unpublished and looked at whether Temporal and the RDS are there or not; so it is always ready.
 */
export async function runNode(config: NodeConfig, { logger, signal }: NodeProcess): Promise<void> {
  Runtime.install(temporalRuntimeOptions(logger));
  const metrics = createNodeMetrics();
  const demand = createStageDemand();
  const line = createConnectLine({ observe: observeConnects({ logger, registry: metrics.registry }) });
  const parts = partsOf(config, { logger, metrics, demand, line, signal });
  const temporal = createTemporalClient(config.temporal);
  const { registry } = metrics;
  const { server, http, worker } = await startInOrder({
    serve: () =>
      serve(config, {
        logger,
        signal,
        observe: metrics.observeRpc,
        parts,
        demand,
        run: createOperations(temporal.client),
      }),
    answerProbes: async () =>
      config.httpAddress && startHttpServer({ address: config.httpAddress, registry, ready: () => true, logger }),
    sweep: () => sweepAtStart(parts, { logger, registry, signal }),
    work() {
      monitorTemporal({ temporal, logger, signal });
      return work(config, { parts, line, logger, signal });
    },
  });
  logger.info({ endpoint: config.socketPath, nodeId: config.nodeId }, 'the node serves');

  if (!signal.aborted) await once(signal, 'abort');
  logger.info({}, 'the node stops');
  const end = async (): Promise<void> => {
    await Promise.all([server.stop(CALL_GRACE_MS), worker.ended]);
    await Promise.all([temporal.connection.close(), http?.close()]);
  };
  await endWithin(end, logger);
}

type WorkParts = { readonly parts: NodeParts } & Pick<PartsOptions, 'line' | 'logger' | 'signal'>;

/** Takes steps from this node's task queue. */
function work(config: NodeConfig, { parts, line, logger, signal }: WorkParts): SupervisedWorker {
  const waitingFor = (volumeId: string | undefined) => volumeId && line.waitingFor(volumeId);
  return superviseWorker({
    temporal: config.temporal,
    options: {
      taskQueue: nodeTaskQueueOf(config.nodeId),
      activities: { ...createNodeActivities(parts) },
      interceptors: { activity: [createActivityInterceptor({ logger, waitingFor })] },
      maxConcurrentActivityTaskExecutions: MOST_ACTIVITIES,
    },
    logger,
    signal,
  });
}

interface PartsOptions {
  readonly logger: Logger;
  readonly metrics: NodeMetrics;
  readonly demand: StageDemand;
  readonly line: ConnectLine;
  readonly signal: AbortSignal;
}

function partsOf(
  config: NodeConfig,
  { logger, metrics, demand, line, signal }: PartsOptions,
): NodeParts & Pick<SweepParts, 'deviceUsers' | 'traces'> {
  const { nodeId, nqnPrefix, kubeletDir, driverName } = config;
  const processes = createProcesses({ logger });
  const mounts = createMounts({ processes });
  const connector = connectorOf(config.connector, { processes, mounts, nodeId, line });
  const notes = createFileNotes({ indexDir: path.join(kubeletDir, 'plugins', driverName, 'stages') });
  const inTurn = createTurns({ longestWaitMs: TURN_LIMIT_MS });
  const isBusy = (volumeId: VolumeId) => inTurn.isBusy(volumeId);
  const sessions = watchSessions({ connector, notes, isBusy, logger, metrics, signal });
  return {
    nodeId,
    nqnPrefix,
    kubeletDir,
    demand,
    mounts,
    connector,
    lostSince: (nqn) => sessions.lostSince(nqn),
    staleMounts: watchStaleMounts({ logger, metrics }),
    fileSystems: createFileSystems({ processes, mounts }),
    deviceUsers: createDeviceUsers({ processes, kubeletDir }),
    paths: createPaths({ processes, mounts }),
    inTurn,
    notes,
    traces: createStageTraces({ kubeletDir, mounts }),
  };
}

interface ConnectorParts {
  readonly processes: ProcessPort;
  readonly mounts: MountPort;
  readonly nodeId: NodeId;
  readonly line: ConnectLine;
}

function connectorOf(chosen: NodeConfig['connector'], parts: ConnectorParts): ConnectorPort {
  if (chosen.kind === 'nvme') return createNvmeConnector({ ...parts, host: hostIdentityOf(parts.nodeId) });
  const { backingDir } = chosen;
  return createLoopConnector({
    ...parts,
    // Where the simulator keeps what its /file lists; its docs say so.
    pathOf: (filePath) => path.join(backingDir, 'files', filePath),
    linkRoot: path.join(backingDir, 'nodes'),
  });
}

interface ServedParts {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly observe: ObserveRpc;
  readonly parts: NodeParts;
  readonly demand: StageDemand;
  readonly run: RunOperation;
}

async function serve(
  config: NodeConfig,
  { logger, signal, observe, parts, demand, run }: ServedParts,
): Promise<CsiServer> {
  const scope = { logger, observe, stopping: signal };
  const { driverName, nodeId, kubeletDir, maxVolumes, topology, socketPath } = config;
  const identity = { driverName, version: VERSION, ready: () => true };
  // The kubelet may be told either; where there is none yet, there is no link.
  const resolved = await realpath(kubeletDir).catch(() => kubeletDir);
  const kubeletDirs = [...new Set([kubeletDir, resolved])];
  const node = { nodeId, kubeletDirs, maxVolumes, topology, run, demand, local: createLocalVolumes(parts) };
  return await startCsiServer({
    socketPath,
    services: [
      { definition: IdentityService, implementation: createIdentityService(identity, scope) },
      { definition: NodeService, implementation: createNodeService(node, scope) },
    ],
  });
}
