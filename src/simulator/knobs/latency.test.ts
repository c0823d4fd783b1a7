import { describe, expect, it } from '@jest/globals';
import { changedLatency, latencyOf, NO_LATENCY, parseLatency } from './latency';

describe('--latency', () => {
  it.each([
    ['200', { read: { ms: 200, jitterMs: 0 }, change: { ms: 200, jitterMs: 0 }, allocation: { ms: 200, jitterMs: 0 } }],
    ['read=5,allocation=3000+500', { read: { ms: 5, jitterMs: 0 }, allocation: { ms: 3000, jitterMs: 500 } }],
  ])('%s', (text, expected) => expect(parseLatency(text)).toEqual(expected));

  it.each(['', 'fast', '-1', 'read=', 'write=5', 'read=5+', '1.5'])('not %j', (text) => {
    expect(() => parseLatency(text)).toThrow(/^latency /);
  });
});

it('a class that is not named keeps what it has', () => {
  const first = changedLatency(NO_LATENCY, { read: 5, change: { ms: 1, jitterMs: 2 } });
  expect(changedLatency(first, { read: 6 })).toEqual({ ...first, read: { ms: 6, jitterMs: 0 } });
  expect(() => changedLatency(first, { read: -1 })).toThrow('read');
});

it('jitter is added', () => {
  const latency = changedLatency(NO_LATENCY, { read: { ms: 10, jitterMs: 5 } });
  const drawn = Array.from({ length: 200 }, () => latencyOf(latency, 'read'));
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...drawn)).toBeLessThan(15);
  expect(new Set(drawn).size).toBeGreaterThan(1);
});
