import { describe, expect, it } from '@jest/globals';
import { parseVolumeId } from '../domain/volume-id';
import { createTurns } from './turns';

const one = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');
const other = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a12');

/** An act that ends when it is told to. */
function actOf(began: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const act = (): Promise<string> => {
    began.push(name);
    return promise;
  };
  return { act, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

describe('turns', () => {
  it('are taken in order on one volume; another volume waits for nobody', async () => {
    const began: string[] = [];
    const [first, second, third] = ['first', 'second', 'third'].map((name) => actOf(began, name));
    const elsewhere = actOf(began, 'elsewhere');
    if (!first || !second || !third) throw new Error('three acts');
    const inTurn = createTurns({ longestWaitMs: 60_000 });
    const ends = [first, second, third].map(({ act }) => inTurn(one, act));
    const apart = inTurn(other, elsewhere.act);
    elsewhere.end();
    await expect(apart).resolves.toBe('elsewhere');
    expect(began).toEqual(['first', 'elsewhere']);
    first.fail();
    await expect(ends[0]).rejects.toThrow('first');
    second.end();
    await expect(ends[1]).resolves.toBe('second');
    third.end();
    await expect(ends[2]).resolves.toBe('third');
    expect(began).toEqual(['first', 'elsewhere', 'second', 'third']);
  });

  it('that came too late are not taken, and the next one is', async () => {
    const began: string[] = [];
    const [first, second] = [actOf(began, 'first'), actOf(began, 'second')];
    const inTurn = createTurns({ longestWaitMs: -1 });
    const ends = [inTurn(one, first.act), inTurn(one, second.act)];
    for (const end of ends) await expect(end).rejects.toMatchObject({ kind: 'ArrayUnsettled' });
    expect(began).toEqual([]);
  });

  it('are begun anew when all have ended', async () => {
    const inTurn = createTurns({ longestWaitMs: 60_000 });
    await expect(inTurn(one, () => Promise.resolve(1))).resolves.toBe(1);
    await expect(inTurn(one, () => Promise.resolve(2))).resolves.toBe(2);
  });
});
