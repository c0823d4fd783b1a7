import { describe, expect, it } from '@jest/globals';
import { splitPatience } from './operations';

describe('the time that a caller has', () => {
  it.each([
    ['no deadline', undefined, { waitMs: 120_000, answerMs: 5_000 }],
    ['the kubelet’s two minutes', 120_000, { waitMs: 115_000, answerMs: 5_000 }],
    ['more than is ever waited', 3_600_000, { waitMs: 120_000, answerMs: 5_000 }],
    ['a minute, less what the way here took', 59_996, { waitMs: 56_996, answerMs: 3_000 }],
    ['the sidecars’ ten seconds', 9_999, { waitMs: 9_499, answerMs: 500 }],
    ['hardly any', 300, { waitMs: 0, answerMs: 500 }],
    ['none any more', -1, { waitMs: 0, answerMs: 500 }],
  ])('%s', (_fact, leftMs, split) => expect(splitPatience(leftMs)).toEqual(split));

  it('is split into whole milliseconds, which is all that timers take', () => {
    for (let leftMs = 0; leftMs < 130_000; leftMs += 7) {
      expect(Object.values(splitPatience(leftMs)).every(Number.isInteger)).toBe(true);
    }
  });
});
