import { describe, expect, it } from '@jest/globals';
import { type DataPath, findWhyAbnormal } from './condition';

const WELL: DataPath = {
  state: 'live',
  connected: true,
  lostSinceMs: undefined,
  turnedReadOnly: false,
  outdated: false,
  errors: undefined,
};
const SINCE = Date.parse('2026-11-21T02:03:04Z');

describe('findWhyAbnormal', () => {
  it.each<[string, Partial<DataPath>, RegExp]>([
    [
      'reconnecting',
      { state: 'connecting', lostSinceMs: SINCE },
      /lost \(connecting\), seen since 2026-11-21T02:03:04.000Z: .*wait/,
    ],
    ['reconnecting, just now', { state: 'resetting' }, /lost \(resetting\): /],
    ['read-only', { turnedReadOnly: true, errors: { count: 1, lastMs: SINCE } }, /become read-only: .*fsck/],
    [
      'errors',
      { errors: { count: 3, lastMs: SINCE } },
      /errors: 3 \(the last at 2026-11-21T02:03:04.000Z\); it may refuse writes/,
    ],
    ['errors, who knows when', { errors: { count: 1, lastMs: undefined } }, /errors: 1; /],
    ['reconnecting before read-only', { state: 'connecting', turnedReadOnly: true }, /connecting/],
    ['no device', { state: undefined }, /device is gone: the connection .* has lost it; .* started again$/],
    [
      'another device',
      { outdated: true, turnedReadOnly: true },
      /device is gone: .*connected again.* another one.* started again$/,
    ],
    ['no connection', { state: undefined, connected: false, lostSinceMs: SINCE }, /device is gone: .* no connection/],
  ])('%s', (_what, path, says) => expect(findWhyAbnormal({ ...WELL, ...path })).toMatch(says));

  it('healthy', () => expect(findWhyAbnormal(WELL)).toBeUndefined());
});
