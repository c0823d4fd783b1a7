import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, type Node, startDriver } from '../kit/driver';
import { createPodVolume, isRoot, loopsOf, mountsOf } from '../kit/pod';

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

  it.each(['the same', 'another'])(
    'asked to stage under another NQN at %s path refuses, and what is staged stays',
    async (place) => {
      const volume = await createPodVolume(driver);
      const pod = volume.on(node);
      await node.csi.stage(pod.stage);
      await node.csi.publish(pod.publish);
      const nqn = `nqn.2001-03.com.example:other:${volume.volumeId}`;
      const stagingTargetPath = place === 'the same' ? pod.stagingTargetPath : `${pod.stagingTargetPath}-2`;
      const other = { ...pod.stage, stagingTargetPath, volumeContext: { ...pod.stage.volumeContext, nqn } };
      expect(status[(await errorOf(node.csi.stage(other))).code]).toBe('ALREADY_EXISTS');
      expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath, pod.targetPath]);
      expect(loopsOf(volume.volumeId)).toHaveLength(1);
      await node.csi.stage(pod.stage);
      await expect(volume.end(node)).resolves.toBeUndefined();
    },
  );
});
