import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { keepSmall } from './keep-small';

const MIB = 2 ** 20;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

it('collects when the heap has grown, and counts from what is in use then', () => {
  const stop = new AbortController();
  let taken = 50 * MIB;
  let used = 40 * MIB;
  const collections: number[] = [];
  const collect = () => {
    collections.push(taken / MIB);
    used = 45 * MIB;
    taken = 50 * MIB;
  };
  let limits = 0;
  const limitYoung = () => {
    limits += 1;
  };
  keepSmall(stop.signal, { limitYoung, takenBytes: () => taken, usedBytes: () => used, collect });
  const grow = (mib: number) => {
    taken += mib * MIB;
    used += mib * MIB;
    jest.advanceTimersByTime(5_000);
  };
  expect(limits).toBe(1);
  grow(1);
  expect(collections).toEqual([]);
  grow(1);
  expect(collections).toEqual([52]);
  grow(6);
  expect(collections).toEqual([52]);
  grow(1);
  expect(collections).toEqual([52, 57]);
  stop.abort();
  grow(50);
  expect(collections).toHaveLength(2);
});
