import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { isRoot } from '../kit/pod';
import { hasCsiSanity, runCsiSanity } from '../kit/sanity';

/**
 * Why csi-sanity may leave a test out by itself: no capability declares what it is about; the limit of volumes is Kubernetes's to
 * hold, and an option of csi-sanity.
 */
const UNDECLARED = /(?:not supported|testnodevolumeattachlimit not enabled)$/;

let driver: Driver;
let node: Node;

(isRoot && hasCsiSanity ? describe : describe.skip)('csi-sanity against controller and node processes', () => {
  beforeAll(async () => {
    driver = await startDriver({ config: { nodeCheck: 'task-queue' } });
    node = await driver.startNode('node-a');
  });

  afterAll(async () => {
    await driver.stop();
  });

  it.each(['mount', 'block'] as const)(
    '%s volumes: all of it, nothing skipped that is declared',
    async (accessType) => {
      const result = await runCsiSanity({
        endpoint: `unix:${node.socketPath}`,
        controllerEndpoint: `unix:${driver.controller.socketPath}`,
        accessType,
        mountDir: path.join(node.kubeletDir, accessType, 'mount'),
        stagingDir: path.join(node.kubeletDir, accessType, 'staging'),
        volumeSizeBytes: 2n ** 30n,
      });
      expect(result.failures.map((failure) => failure.slice(0, 400))).toEqual([]);
      expect(result.skips.filter((skip) => !UNDECLARED.test(skip))).toEqual([]);
      expect(result.passed).toBeGreaterThan(55);
      expect((await driver.csi.listVolumes({})).entries).toEqual([]);
    },
  );
});
