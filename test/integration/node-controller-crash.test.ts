import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { isRoot } from '../kit/pod';
import { firstOf, holdAll, IN_THE_MIDDLE, releaseAll, verifyAll } from '../kit/step-cases';
import { createSteps } from '../kit/steps';

let driver: Driver;
let node: Node;
const steps = createSteps();

(isRoot ? describe : describe.skip)('in the middle of each operation of a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    node = await driver.startNode('node-a', { env: steps.env });
  });

  afterAll(async () => {
    await driver.stop();
    steps.close();
  });

  it('the RDS stops: nobody minds, as long as the data path stays', async () => {
    const outcomes = await holdAll(IN_THE_MIDDLE, { place: driver, node, steps });
    await driver.rds.stop();
    await releaseAll(outcomes);
    expect(await firstOf(outcomes)).toEqual(IN_THE_MIDDLE.map(({ operation }) => `${operation}: OK`));
    await driver.rds.start();
    await verifyAll(outcomes, node);
  });

  it('the controller is killed with -9: what is local ends well meanwhile, and all of it when it is repeated', async () => {
    const place = { csi: driver.csi, rds: driver.rds };
    const outcomes = await holdAll(IN_THE_MIDDLE, { place, node, steps });
    await driver.controller.program.kill();
    await releaseAll(outcomes);
    expect(await firstOf(outcomes, 'publish', 'unpublish')).toEqual(['publish: OK', 'unpublish: OK']);
    place.csi = (await driver.startController()).csi;
    await verifyAll(outcomes, node);
  });
});
