import { once } from 'node:events';
import { Counter, type Registry } from 'prom-client';
import { type SweepParts, type Swept, sweepSessions } from '../activities/session-sweep';
import type { Logger } from '../domain/log';

/** Longest that the start waits for the sweep: for a look at all processes, and a few sessions that are slow to go. */
const START_LIMIT_MS = 30_000;

interface SweepAtStartOptions {
  readonly logger: Logger;
  readonly registry: Registry;
  /** Aborted: the process is to end. */
  readonly signal: AbortSignal;
  readonly limitMs?: number;
}

/**
 * Ends what an earlier process has left connected and nobody uses, before the worker takes any work. Never fails, and returns after its
 * limit at the latest: what is then being ended is seen through in its volume's turn, and the rest stays.
 */
export async function sweepAtStart(
  parts: Omit<SweepParts, 'nowMs'>,
  { logger, registry, signal, limitMs = START_LIMIT_MS }: SweepAtStartOptions,
): Promise<void> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const observe = observeSweeps({ logger, registry });
  const swept = sweepSessions({ ...parts, nowMs: () => performance.now() }, { signal: over, observe }).catch(
    (error: unknown) => logger.warn({ error }, 'connections that were left over could not be looked for'),
  );
  if (!over.aborted) await Promise.race([swept, once(over, 'abort')]);
}

function observeSweeps({ logger, registry }: Pick<SweepAtStartOptions, 'logger' | 'registry'>): (swept: Swept) => void {
  const sweeps = new Counter({
    name: 'rds_csi_nvme_sessions_swept_total',
    help: 'Sessions of ours without a stage at the start, by what became of them: swept, in_use, unproven (left alone)',
    labelNames: ['result'],
    registers: [registry],
  });
  return (swept) => {
    const { volumeId, nqn, result } = swept;
    sweeps.inc({ result });
    if (result === 'swept') {
      logger.info(
        { volumeId, nqn },
        'disconnected: it was left over, no stage on this node knew of it, nobody used it',
      );
    } else {
      const { why } = swept;
      logger.warn({ volumeId, nqn, result }, `connected, and no stage of this driver knows of it; it stays: ${why}`);
    }
  };
}
