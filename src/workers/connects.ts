import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ConnectEvent } from '../adapters/nvme/connect-line';
import type { Logger } from '../domain/log';

/** From a target next door to a device that does not appear, in seconds. */
const CONNECT_BUCKETS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60];

interface ConnectsParts {
  readonly logger: Logger;
  readonly registry: Registry;
}

/** Tells what happens to who wants to connect: in the log, and in metrics. */
export function observeConnects({ logger, registry }: ConnectsParts): (event: ConnectEvent) => void {
  const registers = [registry];
  const waiting = new Gauge({
    name: 'rds_csi_nvme_connects_waiting',
    help: 'Volumes that wait for their turn to be connected to this node',
    registers,
  });
  const connects = new Counter({
    name: 'rds_csi_nvme_connects_total',
    help: 'Tries to connect a volume to this node, by outcome (success, failure)',
    labelNames: ['status'],
    registers,
  });
  const durations = new Histogram({
    name: 'rds_csi_nvme_connect_duration_seconds',
    help: 'Time from the question for a volume until it had a device that can be used',
    buckets: CONNECT_BUCKETS,
    registers,
  });
  return (event) => {
    const { kind, nqn } = event;
    if (kind === 'waits') {
      waiting.inc();
      logger.info({ nqn }, event.why);
    } else if (kind === 'waited') {
      waiting.dec();
      logger.info({ nqn, seconds: Math.round(event.seconds) }, 'waits for its turn to connect no longer');
    } else {
      connects.inc({ status: event.ok ? 'success' : 'failure' });
      if (event.ok) durations.observe(event.seconds);
    }
  };
}
