/**
 * Calls that come while one is under way share the next: each gets an answer that was asked for after it came, and however many they
 * are, one is asked at a time.
 */
export function shareNext<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const begin = (): Promise<T> => {
    next = undefined;
    const answer = ask();
    running = answer.catch(() => undefined);
    return answer;
  };
  return () => {
    next ??= running.then(begin);
    return next;
  };
}
