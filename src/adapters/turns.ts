/** Takes turns: at most so many at a time, first come, first served. */
export interface Turns {
  /**
   * Waits for a turn; the function that it returns gives the turn back, and may be called once only. Rejects with the signal's
   * reason when the signal ends the wait: then there is nothing to give back.
   */
  take(signal: AbortSignal): Promise<() => void>;
  /** A turn, as `take` gives it, if one is free now; undefined: there is something to wait for. */
  tryTake(): (() => void) | undefined;
}

/** `mostAtOnce`: at least 1. */
export function createTurns(mostAtOnce: number): Turns {
  let taken = 0;
  const waiting: (() => void)[] = [];

  const giveBack = (): void => {
    const next = waiting.shift();
    if (next) next();
    else taken -= 1;
  };

  const waitForTurn = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        waiting.splice(waiting.indexOf(begin), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(begin);
    });

  return {
    tryTake() {
      if (taken >= mostAtOnce) return undefined;
      taken += 1;
      return giveBack;
    },

    async take(signal) {
      signal.throwIfAborted();
      if (taken < mostAtOnce) taken += 1;
      else await waitForTurn(signal);
      return giveBack;
    },
  };
}
