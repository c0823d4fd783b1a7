import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../domain/log';

/**
 * Longest that a process takes to stop, in milliseconds: less than the 30 s after which Kubernetes kills it, and more than the
 * 20 s that a script on the RDS has from the moment it was sent.
 */
const STOP_LIMIT_MS = 25_000;

/** Waits until everything has ended; what hangs on somebody else, such as a Temporal that does not answer, is left behind. */
export async function endWithin(end: () => Promise<void>, logger: Logger): Promise<void> {
  const over = new AbortController();
  const limit = delay(STOP_LIMIT_MS, 'late' as const, { signal: over.signal }).catch(() => 'ended' as const);
  const how = await Promise.race([end().then(() => 'ended' as const), limit]);
  over.abort();
  if (how === 'late')
    logger.warn({}, `not everything has ended within ${STOP_LIMIT_MS / 1_000} s: the process ends all the same`);
}
