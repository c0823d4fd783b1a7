import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ConnectionEvent } from '../adapters/routeros/connection-keeper';
import type { DisksEvent } from '../adapters/routeros/disks';
import type { ObserveRpc } from '../csi/unary';
import type { EventReason } from '../domain/event-reason';
import { type AttachmentMetrics, createAttachmentMetrics } from './attachment-metrics';
import { observeReconcileIn } from './reconcile-metrics';

/** RPCs by the operation names of the existing Go driver, so that people's dashboards go on working. */
const OPERATION_OF_RPC: Readonly<Record<string, string>> = {
  CreateVolume: 'create',
  DeleteVolume: 'delete',
  ControllerExpandVolume: 'expand',
  ControllerPublishVolume: 'controller_publish',
  ControllerUnpublishVolume: 'controller_unpublish',
  NodeStageVolume: 'stage',
  NodeUnstageVolume: 'unstage',
  NodePublishVolume: 'publish',
  NodeUnpublishVolume: 'unpublish',
  NodeExpandVolume: 'node_expand',
};

/** From a read on a quiet RDS to the longest that an RPC waits, in seconds. */
const OPERATION_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120];
/** From one command to the limit of an activity's try, in seconds. */
const EXEC_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30];
/** From a connection that was cut to an outage of a day, in seconds. */
export const OUTAGE_BUCKETS = [0.1, 1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400];

export interface ControllerMetrics extends AttachmentMetrics {
  readonly registry: Registry;
  readonly observeRpc: ObserveRpc;
  readonly observeExec: (event: DisksEvent) => void;
  /** What happens to the connection to the RDS of this address. */
  readonly observeConnection: (address: string) => (event: ConnectionEvent) => void;
  readonly recordConnection: (address: string, connected: boolean) => void;
  /** A run of reconcile has ended. */
  readonly observePass: ReturnType<typeof observeReconcileIn>;
  /** An event was posted. */
  readonly observeEvent: (reason: EventReason) => void;
}

/** The controller's Prometheus metrics. Labels never hold a volume ID. */
export function createControllerMetrics(): ControllerMetrics {
  const registry = new Registry();
  const recordConnection = connectionGauge(registry);
  return {
    registry,
    observeRpc: observeRpcIn(registry),
    observeExec: observeExecIn(registry),
    observeConnection: observeConnectionIn(registry, recordConnection),
    recordConnection,
    observeEvent: observeEventIn(registry),
    observePass: observeReconcileIn(registry),
    ...createAttachmentMetrics(registry),
  };
}

/** RPCs by operation and outcome. */
export function observeRpcIn(registry: Registry): ObserveRpc {
  const registers = [registry];
  const operations = new Counter({
    name: 'rds_csi_volume_operations_total',
    help: 'RPCs that change a volume, by operation and outcome (success, failure)',
    labelNames: ['operation', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'rds_csi_volume_operation_duration_seconds',
    help: 'Time that such an RPC took to answer',
    labelNames: ['operation'],
    buckets: OPERATION_BUCKETS,
    registers,
  });
  const rpcs = new Counter({
    name: 'rds_csi_grpc_requests_total',
    help: 'RPCs answered, by name and gRPC status',
    labelNames: ['rpc', 'code'],
    registers,
  });
  return (rpc, code, seconds) => {
    rpcs.inc({ rpc, code });
    const operation = OPERATION_OF_RPC[rpc];
    if (operation === undefined) return;
    operations.inc({ operation, status: code === 'OK' ? 'success' : 'failure' });
    durations.observe({ operation }, seconds);
  };
}

function observeExecIn(registry: Registry): ControllerMetrics['observeExec'] {
  const execs = new Histogram({
    name: 'rds_csi_ssh_command_duration_seconds',
    help: 'Time from asking for a command on the RDS to its outcome, by verb and result (ok, or the kind of fault)',
    labelNames: ['verb', 'result'],
    buckets: EXEC_BUCKETS,
    registers: [registry],
  });
  return ({ operation, outcome, seconds }) => execs.observe({ verb: operation, result: outcome }, seconds);
}

function observeEventIn(registry: Registry): ControllerMetrics['observeEvent'] {
  const events = new Counter({
    name: 'rds_csi_events_posted_total',
    help: 'Events posted to Kubernetes (without Kubernetes: logged), by reason',
    labelNames: ['reason'],
    registers: [registry],
  });
  return (reason) => events.inc({ reason });
}

function connectionGauge(registry: Registry): ControllerMetrics['recordConnection'] {
  const state = new Gauge({
    name: 'rds_csi_rds_connection_state',
    help: 'Whether the SSH connection to the RDS is up (1) or not (0)',
    labelNames: ['address'],
    registers: [registry],
  });
  return (address, connected) => state.set({ address }, connected ? 1 : 0);
}

function observeConnectionIn(
  registry: Registry,
  recordConnection: ControllerMetrics['recordConnection'],
): ControllerMetrics['observeConnection'] {
  const reconnects = new Counter({
    name: 'rds_csi_rds_reconnect_total',
    help: 'Attempts to connect to the RDS after the first connection, by outcome (success, failure)',
    labelNames: ['status'],
    registers: [registry],
  });
  const outages = new Histogram({
    name: 'rds_csi_rds_reconnect_duration_seconds',
    help: 'Time from a lost connection to the next one',
    buckets: OUTAGE_BUCKETS,
    registers: [registry],
  });
  return (address) => (event) => {
    recordConnection(address, event.kind === 'connected');
    if (event.kind === 'attempt-failed') reconnects.inc({ status: 'failure' });
    if (event.kind !== 'connected' || event.first) return;
    reconnects.inc({ status: 'success' });
    outages.observe(event.outageMs / 1_000);
  };
}
