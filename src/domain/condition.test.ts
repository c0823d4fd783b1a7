import { describe, expect, it } from '@jest/globals';
import { type DataPath, findWhyAbnormal } from './condition';

const WELL: DataPath = {
  state: 'live',
  connected: true,
  trouble: undefined,
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
    [
      'read-only',
      { turnedReadOnly: true, errors: { count: 1, lastMs: SINCE, fileSystem: 'ext4' } },
      /become read-only: .*fsck/,
    ],
    [
      'errors',
      { errors: { count: 3, lastMs: SINCE, fileSystem: 'ext4' } },
      /errors: 3 \(the last at 2026-11-21T02:03:04.000Z\); it may refuse writes.*\(fsck\)/,
    ],
    ['errors, who knows when', { errors: { count: 1, lastMs: undefined, fileSystem: 'ext4' } }, /errors: 1; /],
    [
      'errors that a check leaves as they are',
      { errors: { count: 1, lastMs: undefined, fileSystem: 'btrfs' } },
      /device stats -z/,
    ],
    ['reconnecting before read-only', { state: 'connecting', turnedReadOnly: true }, /connecting/],
    ['no device', { state: undefined }, /device is gone: the connection .* has lost it; .* started again$/],
    [
      'two devices',
      { state: undefined, trouble: 'nvme0n1, nvme0n2' },
      /cannot be used from here: nvme0n1, nvme0n2; if .* fail/,
    ],
    [
      'another device',
      { outdated: true, turnedReadOnly: true },
      /device is gone: .*connected again.* another one.* started again$/,
    ],
    ['no connection', { state: undefined, connected: false, lostSinceMs: SINCE }, /device is gone: .* no connection/],
  ])('%s', (_what, path, says) => expect(findWhyAbnormal({ ...WELL, ...path })).toMatch(says));

  it('healthy', () => expect(findWhyAbnormal(WELL)).toBeUndefined());
});
