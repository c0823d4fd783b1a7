import { existsSync, readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { createPodVolume } from '../kit/pod';
import { blockOf, GIB, mountOf } from '../kit/requests';
import { deviceOf, end, stateOf, tracesInKernel } from './kit';
import type { World } from './world';
import { startWriter } from './writer';

/** Volumes of all kinds, from create to nothing left. */
export function lifeTests(world: World): void {
  describe('a volume over NVMe/TCP', () => {
    // One after the other: this is work for the processor, not waiting. ext3 grows in outages.ts.
    it.each(['ext4', 'xfs', 'btrfs', 'block'])(
      '%s: from create to nothing left, grown while it is written to',
      async (kind) => {
        const life = kind === 'block' ? liveAsBlock(world) : liveAs(world, kind);
        await expect(life).resolves.toBeUndefined();
      },
    );
  });
}

async function liveAs(world: World, fsType: string): Promise<void> {
  const capability = mountOf(Mode.SINGLE_NODE_WRITER, fsType);
  const volume = await createPodVolume(world.driver, capability);
  const pod = await world.attach(volume);
  expect(stateOf(volume.volumeId)).toBe('live');
  const before = sizeOf(pod.targetPath);

  const file = path.join(pod.targetPath, 'data');
  const writer = await startWriter({ file, sizeBytes: 64 * 2 ** 20 });
  await writer.more(20);
  const capacityRange = { requiredBytes: GIB };
  const from = writer.count();
  await world.driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange, volumeCapability: capability });
  const grown = await world.node.csi.expand({ ...pod.expand, capacityRange });
  expect(writer.count()).toBeGreaterThan(from);
  expect(grown.capacityBytes).toBe(GIB);
  expect(sizeOf(pod.targetPath)).toBeGreaterThan(before * 1.5);
  await writer.more(20);
  await writer.end();
  await world.node.csi.unpublish(pod.unpublish);
  await world.node.csi.unstage(pod.unstage);
  expect(tracesInKernel(volume.volumeId)).toEqual([expect.stringContaining('nvmet/subsystems')]);

  // What is read now comes from the RDS, not from this kernel's memory.
  await world.node.csi.stage(pod.stage);
  await world.node.csi.publish(pod.publish);
  await writer.verify();
  await end(volume, world.node);
}

async function liveAsBlock(world: World): Promise<void> {
  const volume = await createPodVolume(world.driver, blockOf());
  const pod = await world.attach(volume);
  const writer = await startWriter({ file: pod.targetPath, sizeBytes: 64 * 2 ** 20 });
  await writer.more(20);
  const capacityRange = { requiredBytes: GIB };
  const from = writer.count();
  await world.driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange, volumeCapability: blockOf() });
  const grown = await world.node.csi.expand({ ...pod.expand, capacityRange, volumeCapability: blockOf() });
  expect(writer.count()).toBeGreaterThan(from);
  expect(grown.capacityBytes).toBe(GIB);
  expect(kernelSizeOf(volume.volumeId)).toBe(GIB);
  const { usage } = await world.node.csi.stats({ volumeId: volume.volumeId, volumePath: pod.targetPath });
  expect(usage[0]?.total).toBe(GIB);
  await writer.more(20);
  await writer.end();
  await world.node.csi.unpublish(pod.unpublish);
  await world.node.csi.unstage(pod.unstage);
  await world.node.csi.stage(pod.stage);
  await world.node.csi.publish(pod.publish);
  await writer.verify();
  await end(volume, world.node);
  expect(existsSync(pod.targetPath)).toBe(false);
}

/** Of the device, in bytes; sysfs counts in sectors of 512. */
function kernelSizeOf(volumeId: string): bigint {
  const name = path.basename(deviceOf(volumeId) ?? '');
  return BigInt(readFileSync(`/sys/block/${name}/size`, 'utf8').trim()) * 512n;
}

function sizeOf(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}
