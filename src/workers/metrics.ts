import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ObserveRpc } from '../csi/unary';

/** RPCs by the operation names of the existing Go driver, so that people's dashboards go on working. */
const OPERATION_OF_RPC: Readonly<Record<string, string>> = {
  CreateVolume: 'create',
  DeleteVolume: 'delete',
  ControllerExpandVolume: 'expand',
  ControllerPublishVolume: 'controller_publish',
  ControllerUnpublishVolume: 'controller_unpublish',
};

/** From a read on a quiet RDS to a caller's usual deadline, in seconds. */
const OPERATION_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120];

export interface ControllerMetrics {
  readonly registry: Registry;
  readonly observeRpc: ObserveRpc;
  readonly recordConnection: (address: string, connected: boolean) => void;
}

/** The controller's Prometheus metrics. Labels never hold a volume ID. */
export function createControllerMetrics(): ControllerMetrics {
  const registry = new Registry();
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
  const connection = new Gauge({
    name: 'rds_csi_rds_connection_state',
    help: 'Whether the SSH connection to the RDS is up (1) or not (0)',
    labelNames: ['address'],
    registers,
  });
  return {
    registry,
    observeRpc: (rpc, code, seconds) => {
      rpcs.inc({ rpc, code });
      const operation = OPERATION_OF_RPC[rpc];
      if (operation === undefined) return;
      operations.inc({ operation, status: code === 'OK' ? 'success' : 'failure' });
      durations.observe({ operation }, seconds);
    },
    recordConnection: (address, connected) => {
      connection.set({ address }, connected ? 1 : 0);
    },
  };
}
