import { setTimeout as delay } from 'node:timers/promises';
import { createSessionWatch, type SessionEvent, type SessionWatch } from '../activities/session-watch';
import { createStaleMounts, type StaleMounts } from '../activities/stale-watch';
import type { ConnectorPort } from '../adapters/nvme/port';
import type { StageNotesPort } from '../adapters/stage-notes/port';
import type { Logger } from '../domain/log';
import type { VolumeId } from '../domain/volume-id';
import type { NodeMetrics } from './node-metrics';

/** Between two looks at the kernel's tables. */
const INTERVAL_MS = 2_000;

interface WatchParts {
  readonly isBusy: (volumeId: VolumeId) => boolean;
  readonly connector: ConnectorPort;
  readonly notes: StageNotesPort;
  readonly logger: Logger;
  readonly metrics: NodeMetrics;
  readonly signal: AbortSignal;
}

/** Looks at the sessions of staged volumes until the process is to end, and tells what happens to them. */
export function watchSessions({ connector, notes, isBusy, logger, metrics, signal }: WatchParts): SessionWatch {
  const observe = (event: SessionEvent): void => {
    metrics.observeSession(event);
    log(logger, event);
  };
  const watch = createSessionWatch({
    connector,
    notes,
    isBusy,
    observe,
    nowMs: Date.now,
    count: metrics.countSessions,
  });
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await watch.look().catch((error: unknown) => logger.warn({ error }, 'the sessions could not be looked at'));
      await delay(INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  void run();
  return watch;
}

/** Tells of mounts without a device. */
export function watchStaleMounts({ logger, metrics }: Pick<WatchParts, 'logger' | 'metrics'>): StaleMounts {
  return createStaleMounts((event) => {
    metrics.observeStaleMount(event);
    const { kind, volumeId } = event;
    if (kind === 'detected') {
      logger.warn({ volumeId }, 'the kernel has given up the device of a mounted volume: its reads and writes fail');
    } else if (kind === 'recovered') {
      logger.info({ volumeId }, 'the volume is mounted anew: a pod that had it before must be started again');
    } else {
      logger.warn({ volumeId }, 'the volume could not be mounted anew; its stage says why');
    }
  });
}

function log(logger: Logger, event: SessionEvent): void {
  const { volumeId } = event;
  if (event.kind === 'lost') {
    const { state } = event;
    logger.warn({ volumeId, state }, 'the connection to the RDS is lost: reads and writes of the volume wait');
  } else {
    const seconds = Math.round(event.outageMs / 1_000);
    logger.info({ volumeId, seconds }, 'the connection to the RDS is back');
  }
}
