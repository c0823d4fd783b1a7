import { existsSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, type Node, startDriver } from '../kit/driver';
import { createPodVolume, isRoot } from '../kit/pod';
import { blockOf } from '../kit/requests';
import { createSteps } from '../kit/steps';

let driver: Driver;
let node: Node;
const steps = createSteps();

(isRoot ? describe : describe.skip)('a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    node = await driver.startNode('node-a', { env: steps.env });
  });

  afterAll(async () => {
    await driver.stop();
    steps.close();
  });

  it('with eight formats that take long stages a ninth volume all the same', async () => {
    const volumes = await Promise.all(Array.from({ length: 9 }, () => createPodVolume(driver)));
    const [ninth, ...others] = volumes.map((volume) => volume.on(node));
    if (!ninth) throw new Error('no volume');
    const formats = others.map(({ stage }) => {
      const step = steps.set({ at: 'mkfs.ext4', act: 'before', on: `*${stage.volumeId}*` });
      return { step, staged: node.csi.stage(stage, 100_000) };
    });
    await Promise.all(formats.map(({ step }) => step.reached()));
    const outcome = await node.csi.stage(ninth.stage, 30_000).then(
      () => 'OK',
      (error: unknown) => String(error),
    );
    for (const { step } of formats) step.release();
    await Promise.all(formats.map(({ staged }) => staged));
    await node.csi.stage(ninth.stage);
    for (const volume of volumes) await volume.end(node);
    expect(outcome).toBe('OK');
  });

  it('asked to unpublish a volume at the place of another one’s device node leaves that alone', async () => {
    const [volume, other] = [await createPodVolume(driver, blockOf()), await createPodVolume(driver, blockOf())];
    const [pod, theirs] = [volume.on(node), other.on(node)];
    for (const { stage, publish } of [pod, theirs]) {
      await node.csi.stage(stage);
      await node.csi.publish(publish);
    }
    const error = await errorOf(node.csi.unpublish({ ...pod.unpublish, targetPath: theirs.targetPath }));
    expect(status[error.code]).toBe('FAILED_PRECONDITION');
    expect(existsSync(theirs.targetPath)).toBe(true);
    await volume.end(node);
    await other.end(node);
  });

  it('unpublishes a volume where an earlier one’s device node was', async () => {
    const [volume, later] = [await createPodVolume(driver, blockOf()), await createPodVolume(driver, blockOf())];
    const [pod, theirs] = [volume.on(node), later.on(node)];
    const { targetPath } = pod;
    for (const { stage } of [pod, theirs]) await node.csi.stage(stage);
    await node.csi.publish(pod.publish);
    await node.csi.unpublish(pod.unpublish);
    await node.csi.publish({ ...theirs.publish, targetPath });
    // The note of the earlier one names the place still.
    expect(status[(await errorOf(node.csi.unpublish(pod.unpublish))).code]).toBe('FAILED_PRECONDITION');
    await node.csi.unpublish({ ...theirs.unpublish, targetPath });
    expect(existsSync(targetPath)).toBe(false);
    await volume.end(node);
    await later.end(node);
  });
});
