import { accessSync, constants, existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { badPathTests } from './bad-path';
import { lifeTests } from './life';
import { outageTests } from './outages';
import { staleTests } from './stale';
import { sweepTests } from './sweep';
import { twoNodeTests } from './two-nodes';
import { World } from './world';

// One file, so that all share what takes longest: jest runs each file by itself.
const world = new World();

it('this kernel is NVMe/TCP target and host at once', () => {
  expect(existsSync('/sys/kernel/config/nvmet/subsystems')).toBe(true);
  accessSync('/dev/nvme-fabrics', constants.R_OK | constants.W_OK);
});

describe('NVMe/TCP', () => {
  beforeAll(async () => {
    await world.start();
  });

  afterAll(async () => {
    await world.stop();
  });

  lifeTests(world);
  badPathTests(world);
  staleTests(world);
  outageTests(world);
  sweepTests(world);
  // With another controller: the last.
  twoNodeTests(world);

  it('the node’s own session with another array has come through all of it, untouched', async () => {
    await expect(world.verifyForeign()).resolves.toBeUndefined();
  });
});
