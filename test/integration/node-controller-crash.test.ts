import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, type Node, startDriver, waitFor } from '../kit/driver';
import { createPodVolume, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { mountOf } from '../kit/requests';

let driver: Driver;
let node: Node;

(isRoot ? describe : describe.skip)('a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    node = await driver.startNode('node-a');
  });

  afterAll(async () => {
    await driver.stop();
  });

  it('does not mind the controller being killed in the middle of a stage', async () => {
    const volume = await createPodVolume(driver, mountOf(undefined, 'xfs'));
    const pod = volume.on(node);
    const staging = node.csi.stage(pod.stage, 90_000).catch(() => 'lost');
    const run = driver.temporal.client.workflow.getHandle(`volume/${volume.volumeId}/node/node-a`);
    await waitFor(
      async () => (await run.describe()).status.name === 'RUNNING',
      () => 'the stage has not begun',
    );
    await driver.controller.program.kill();
    const second = await driver.startController();
    await staging;
    await node.csi.stage(pod.stage, 90_000);
    await node.csi.publish(pod.publish);
    await node.csi.unpublish(pod.unpublish);
    await node.csi.unstage(pod.unstage, 90_000);
    await second.csi.deleteVolume({ volumeId: volume.volumeId });
    expect([mountsOf(volume.volumeId), loopsOf(volume.volumeId)]).toEqual([[], []]);
  });
});
