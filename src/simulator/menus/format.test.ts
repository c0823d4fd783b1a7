import { describe, expect, it } from '@jest/globals';
import { MANUAL } from '../manual';
import { num, str, type Value } from '../script/value';
import { detail, grouped, rounded, table } from './format';
import type { Row } from './row';

it.each([
  [0n, '0'],
  [999n, '999'],
  [1000n, '1 000'],
  [53_687_091_200n, '53 687 091 200'],
  [9_007_199_254_740_993n, '9 007 199 254 740 993'],
])('groups %s as %s', (value, text) => expect(grouped(value)).toBe(text));

// the first four are from hardware
it.each([
  [53_687_091_200n, '50.0GiB'],
  [1_099_511_627_776n, '1024.0GiB'],
  [3_088_486n, '3016.1KiB'],
  [10_695_475n, '10.2MiB'],
  [230n, '230'],
  [0n, '0'],
])('rounds %s to %s', (value, text) => expect(rounded(value)).toBe(text));

const row = (slot: string, size: bigint): Row => {
  const values = new Map<string, Value>([
    ['slot', str(slot)],
    ['size', num(size)],
    ['comment', str('')],
  ]);
  return {
    id: '*1',
    name: slot,
    values,
    flags: 'B',
    columns: ['slot', 'serial', 'size'],
    hidden: new Set(['comment']),
  };
};

describe('what a person sees', () => {
  const manual = MANUAL['/disk'];
  if (!manual) throw new Error('the manual has no /disk');
  const rows = [row('a-rather-long-slot', 1n), row('b', 1000n)];

  it('a column that no item fills is left out; numbers stand on the right', () => {
    expect(table(rows, { manual, width: undefined, properties: undefined }).split('\r\n')).toEqual([
      'Flags: B - BLOCK-DEVICE',
      'Columns: SLOT, SIZE',
      '#   SLOT                 SIZE',
      '0 B a-rather-long-slot      1',
      '1 B b                   1 000',
      '',
    ]);
  });

  it('columns are cut until they fit the terminal', () => {
    const lines = table(rows, { manual, width: 20, properties: undefined }).split('\r\n').slice(2, -1);
    expect(lines).toEqual(['#   SLOT        SIZE', '0 B a-rather-      1', '1 B b          1 000']);
  });

  it('text is shown as it would have to be written', () => {
    const one = row('a "b" $c \\', 1n);
    expect(detail([one], { manual, width: undefined, properties: ['slot'] })).toContain('slot="a \\"b\\" \\$c \\\\"');
  });

  it('nothing of nothing', () => {
    expect(
      detail([], { manual, width: 80, properties: undefined }) +
        table([], { manual, width: 80, properties: undefined }),
    ).toBe('');
  });
});
