/** Something that was found, and since when it has been found each time. */
export type Sighting<T> = T & { readonly sinceMs: number };

/**
 * What is found now, with the age of what was found before. What is missing now begins anew when it comes back: an age is only what
 * was seen without a gap.
 */
export function ageSightings<T>(
  before: readonly Sighting<T>[],
  {
    found,
    nowMs,
    keyOf,
  }: { readonly found: readonly T[]; readonly nowMs: number; readonly keyOf: (item: T) => string },
): readonly Sighting<T>[] {
  const since = new Map(before.map((sighting) => [keyOf(sighting), sighting.sinceMs]));
  // A clock that was set back makes nothing older than it is.
  return found.map((item) => ({ ...item, sinceMs: Math.min(since.get(keyOf(item)) ?? nowMs, nowMs) }));
}

/** Those that have been seen for at least so long. */
export function olderThan<T>(sightings: readonly Sighting<T>[], ageMs: number, nowMs: number): readonly Sighting<T>[] {
  return sightings.filter(({ sinceMs }) => nowMs - sinceMs >= ageMs);
}

/** Whether what was seen then was seen until now, without a gap: no clock has jumped, and nobody was away for long. */
export function isUnbroken(
  seenMs: number,
  { nowMs, mostGapMs }: { readonly nowMs: number; readonly mostGapMs: number },
): boolean {
  return seenMs <= nowMs && nowMs - seenMs <= mostGapMs;
}
