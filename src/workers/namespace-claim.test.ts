import { expect, it } from '@jest/globals';
import { NamespaceClaim } from './namespace-claim';

it('lets nobody in before it is known to be ours', async () => {
  const claim = new NamespaceClaim('default');
  expect(() => claim.require()).toThrow('does not say yet');
  claim.unknown('connection refused');
  expect(() => claim.require()).toThrow('connection refused');
  expect(await Promise.race([claim.opened.then(() => 'opened'), Promise.resolve('closed')])).toBe('closed');
  claim.ours();
  await claim.opened;
  expect(() => claim.require()).not.toThrow();
  // Temporal that is away says nothing new.
  claim.unknown('connection refused');
  expect(claim.isOurs).toBe(true);
});

it('says whose it is, and closes when it is taken', async () => {
  const claim = new NamespaceClaim('default');
  let closed = 0;
  claim.onClose(() => {
    closed += 1;
  });
  claim.foreign('cluster a, driver b');
  expect(() => claim.require()).toThrow('default of Temporal belongs to another deployment (cluster a, driver b)');
  expect(closed).toBe(0);
  claim.ours();
  claim.foreign('cluster a, driver b');
  claim.foreign('cluster a, driver b');
  expect([closed, claim.isOurs]).toEqual([1, false]);
  claim.ours();
  await expect(claim.opened).resolves.toBeUndefined();
});
