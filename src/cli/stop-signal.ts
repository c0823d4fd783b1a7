import type { EventEmitter } from 'node:events';
import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type StopSignal = (typeof SIGNALS)[number];

interface StopOptions {
  /** Told of the first signal, before anything is stopped. */
  readonly onStop: (name: StopSignal) => void;
  /** Where signals arrive. */
  readonly target: EventEmitter;
  readonly exit: (code: number) => void;
}

/**
 * Runs something that stops by itself when its signal is aborted: by the first SIGTERM or SIGINT. The second ends the process
 * at once, with the code that shells give to a process that died of it.
 */
export async function runUntilStopped<Result>(
  run: (signal: AbortSignal) => Promise<Result>,
  { onStop, target, exit }: StopOptions,
): Promise<Result> {
  const controller = new AbortController();
  const listeners = SIGNALS.map((name) => {
    const listener = (): void => {
      if (controller.signal.aborted) return exit(128 + constants.signals[name]);
      onStop(name);
      controller.abort();
    };
    target.on(name, listener);
    return { name, listener };
  });
  try {
    return await run(controller.signal);
  } finally {
    for (const { name, listener } of listeners) target.off(name, listener);
  }
}
