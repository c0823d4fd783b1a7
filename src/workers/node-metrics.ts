import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { SessionCounts, SessionEvent } from '../activities/session-watch';
import type { StaleMountEvent } from '../activities/stale-watch';
import { type ControllerMetrics, OUTAGE_BUCKETS, observeRpcIn } from './metrics';

export interface NodeMetrics extends Pick<ControllerMetrics, 'registry' | 'observeRpc'> {
  /** How many sessions of staged volumes are live and lost. */
  readonly countSessions: (counts: SessionCounts) => void;
  readonly observeSession: (event: SessionEvent) => void;
  readonly observeStaleMount: (event: StaleMountEvent) => void;
}

/** The node's: what it was asked, and the sessions with the RDS. */
export function createNodeMetrics(): NodeMetrics {
  const registry = new Registry();
  const observeStaleMount = observeStaleMountsIn(registry);
  return { registry, observeRpc: observeRpcIn(registry), observeStaleMount, ...sessionsIn(registry) };
}

function observeStaleMountsIn(registry: Registry): NodeMetrics['observeStaleMount'] {
  const registers = [registry];
  const detected = new Counter({
    name: 'rds_csi_stale_mounts_detected_total',
    help: 'Mounts of volumes found whose device the kernel had given up',
    registers,
  });
  const recoveries = new Counter({
    name: 'rds_csi_stale_recoveries_total',
    help: 'Tries to make a volume with such a mount usable again, by outcome (success, failure)',
    labelNames: ['status'],
    registers,
  });
  return ({ kind }) => {
    if (kind === 'detected') detected.inc();
    else recoveries.inc({ status: kind === 'recovered' ? 'success' : 'failure' });
  };
}

function sessionsIn(registry: Registry): Pick<NodeMetrics, 'countSessions' | 'observeSession'> {
  const registers = [registry];
  const active = new Gauge({
    name: 'rds_csi_nvme_connections_active',
    help: 'Live NVMe/TCP sessions of volumes that are staged on this node',
    registers,
  });
  const lost = new Gauge({
    name: 'rds_csi_nvme_connections_lost',
    help: 'Sessions of staged volumes that are not live: their reads and writes wait',
    registers,
  });
  const losses = new Counter({
    name: 'rds_csi_nvme_connection_losses_total',
    help: 'Sessions of staged volumes that were lost',
    registers,
  });
  const outages = new Histogram({
    name: 'rds_csi_nvme_outage_duration_seconds',
    help: 'Time from a lost session to its return',
    buckets: OUTAGE_BUCKETS,
    registers,
  });
  return {
    countSessions: (counts) => {
      active.set(counts.live);
      lost.set(counts.lost);
    },
    observeSession: (event) => (event.kind === 'lost' ? losses.inc() : outages.observe(event.outageMs / 1_000)),
  };
}
