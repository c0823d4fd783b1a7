import { existsSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { createPodVolume } from '../kit/pod';
import { blockOf, GIB, mountOf } from '../kit/requests';
import { attach, end, REAL_EXPORTS, startNvmeNode, stateOf, tracesInKernel } from './kit';
import { startWriter } from './writer';

let driver: Driver;
let node: Node;

beforeAll(async () => {
  driver = await startDriver({ simulatorArgs: REAL_EXPORTS });
  node = await startNvmeNode(driver, 'node-a');
});

afterAll(async () => {
  await driver.stop();
});

describe('a volume over NVMe/TCP', () => {
  it.each(['ext4', 'ext3', 'xfs', 'btrfs'])(
    '%s: from create to nothing left, grown while it is written to',
    async (fsType) => {
      const capability = mountOf(Mode.SINGLE_NODE_WRITER, fsType);
      const volume = await createPodVolume(driver, capability);
      const pod = await attach(driver, volume, node, 'node-a');
      expect(stateOf(volume.volumeId)).toBe('live');
      const before = sizeOf(pod.targetPath);

      const file = path.join(pod.targetPath, 'data');
      const writer = await startWriter({ file, sizeBytes: 64 * 2 ** 20 });
      await writer.more(20);
      const capacityRange = { requiredBytes: GIB };
      await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange, volumeCapability: capability });
      const grown = await node.csi.expand({ ...pod.expand, capacityRange });
      expect(grown.capacityBytes).toBe(GIB);
      expect(sizeOf(pod.targetPath)).toBeGreaterThan(before * 1.5);
      await writer.more(20);
      await writer.end();
      await node.csi.unpublish(pod.unpublish);
      await node.csi.unstage(pod.unstage);
      expect(tracesInKernel(volume.volumeId)).toEqual([expect.stringContaining('nvmet/subsystems')]);

      // What is read now comes from the RDS, not from this kernel's memory.
      await node.csi.stage(pod.stage);
      await node.csi.publish(pod.publish);
      await writer.verify();
      await end(volume, node);
    },
  );

  it('raw block: from create to nothing left, grown while it is written to', async () => {
    const volume = await createPodVolume(driver, blockOf());
    const pod = await attach(driver, volume, node, 'node-a');
    const writer = await startWriter({ file: pod.targetPath, sizeBytes: 64 * 2 ** 20 });
    await writer.more(20);
    const capacityRange = { requiredBytes: GIB };
    await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange, volumeCapability: blockOf() });
    const grown = await node.csi.expand({ ...pod.expand, capacityRange, volumeCapability: blockOf() });
    expect(grown.capacityBytes).toBe(GIB);
    const { usage } = await node.csi.stats({ volumeId: volume.volumeId, volumePath: pod.targetPath });
    expect(usage[0]?.total).toBe(GIB);
    await writer.more(20);
    await writer.end();
    await node.csi.unpublish(pod.unpublish);
    await node.csi.unstage(pod.unstage);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    await writer.verify();
    await end(volume, node);
    expect(existsSync(pod.targetPath)).toBe(false);
  });
});

function sizeOf(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}
