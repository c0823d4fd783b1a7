/** So many events of one reason on one object, with texts of their own, stand by themselves … */
const MOST_OWN = 10;
/** … within this time, in milliseconds; more are counted in one, as client-go's correlator has it. */
const WINDOW_MS = 10 * 60_000;

/** Whether an event gets a place of its own; a repeat of one that has a place always has it. */
export type HasOwnPlace = (series: string, message: string) => boolean;

/** Remembers, for the window, which texts each series (object and reason) had. */
export function createEventFlood(now: () => number): HasOwnPlace {
  const seen = new Map<string, Map<string, number>>();
  return (series, message) => {
    const at = now();
    for (const [name, texts] of seen) {
      for (const [text, last] of texts) if (at - last >= WINDOW_MS) texts.delete(text);
      if (texts.size === 0) seen.delete(name);
    }
    const texts = seen.get(series) ?? new Map<string, number>();
    if (!texts.has(message) && texts.size >= MOST_OWN) return false;
    texts.set(message, at);
    seen.set(series, texts);
    return true;
  };
}
