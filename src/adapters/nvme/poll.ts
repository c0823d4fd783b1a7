import { setTimeout as delay } from 'node:timers/promises';

/** The time, and waiting: tests hand in a clock of their own, and wait for nothing. */
export interface Clock {
  nowMs(): number;
  pause(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = { nowMs: () => performance.now(), pause: (milliseconds) => delay(milliseconds) };

interface PollOptions<T> {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly everyMs: number;
  readonly look: () => Promise<T>;
  readonly enough: (seen: T) => boolean;
}

/** Looks until it is enough or the limit is over, at least once; what was seen last, which may not be enough. */
export async function pollUntil<T>({ clock, limitMs, everyMs, look, enough }: PollOptions<T>): Promise<T> {
  const endMs = clock.nowMs() + limitMs;
  for (;;) {
    const seen = await look();
    if (enough(seen) || clock.nowMs() >= endMs) return seen;
    await clock.pause(everyMs);
  }
}
