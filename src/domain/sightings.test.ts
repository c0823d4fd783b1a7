import { expect, it } from '@jest/globals';
import { ageSightings, isUnbroken, olderThan } from './sightings';

const keyOf = ({ name }: { readonly name: string }) => name;
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

it('is as old as it has been seen without a gap', () => {
  const first = ageSightings([], { found: [a, b], nowMs: 10, keyOf });
  const second = ageSightings(first, { found: [b, c], nowMs: 20, keyOf });
  expect(second).toEqual([
    { ...b, sinceMs: 10 },
    { ...c, sinceMs: 20 },
  ]);
  expect(ageSightings(second, { found: [a, b], nowMs: 30, keyOf })).toEqual([
    { ...a, sinceMs: 30 },
    { ...b, sinceMs: 10 },
  ]);
});

it('is not from the future where a clock was set back', () => {
  const before = [{ ...a, sinceMs: 100 }];
  expect(ageSightings(before, { found: [a], nowMs: 50, keyOf })).toEqual([{ ...a, sinceMs: 50 }]);
});

it('is old from the very moment on', () => {
  const sightings = [
    { ...a, sinceMs: 10 },
    { ...b, sinceMs: 11 },
  ];
  expect(olderThan(sightings, 20, 30)).toEqual([{ ...a, sinceMs: 10 }]);
});

it.each([
  ['just now', 1_000, true],
  ['at the end of the gap', 900, true],
  ['longer ago', 899, false],
  ['by a clock that was ahead', 1_001, false],
])('what was seen %s is unbroken or not', (_, seenMs, unbroken) => {
  expect(isUnbroken(seenMs, { nowMs: 1_000, mostGapMs: 100 })).toBe(unbroken);
});
