import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { waitFor } from '../kit/driver';
import { createPodVolume } from '../kit/pod';
import { blockOf, GIB, mountOf } from '../kit/requests';
import { cutPort, failFileSystem } from './kernel';
import {
  controllersOf,
  end,
  failuresOf,
  hostTracesOf,
  type PodVolume,
  readFirst,
  untilAborted,
  untilDone,
  writeFirst,
} from './kit';
import type { World } from './world';

/** The kernel gives a lost connection up in seconds, as it does after hours with a larger one. */
const IMPATIENT = { ctrlLossTmo: '5', reconnectDelay: '1' };
const TEXT = 'written before the device was given up';

/** Volumes whose device the kernel gives up under their pods, and what their condition says. */
export function staleTests(world: World): void {
  it('devices are given up: conditions say so; a volume that has to go goes, others are connected and mounted anew, and nothing is lost', async () => {
    // One cut for all: most of it is waiting.
    const [leaving, used] = await Promise.all([
      Promise.all(['ext4', 'block'].map((kind) => useVolume(world, kind))),
      Promise.all(['ext4', 'xfs', 'btrfs', 'block'].map((kind) => useVolume(world, kind))),
    ]);
    const before = await staleMetrics(world);
    const mend = await giveUp(world, [...leaving, ...used]);
    try {
      expect(await staleMetrics(world)).toEqual({ ...before, detected: before.detected + 4 });
      for (const { pod } of leaving) await leave(world, pod);
      expect(leaving.flatMap(({ volume }) => hostTracesOf(volume.volumeId))).toEqual([]);
    } finally {
      mend();
    }
    await Promise.all(used.map((each) => recover(world, each)));
    expect(await staleMetrics(world)).toEqual({ detected: before.detected + 4, recovered: before.recovered + 3 });
    const told = await Promise.all(used.map(({ volume }) => recoveryEventsOf(world, volume)));
    const recovered = ['StaleMountDetected', 'MountRecovered'];
    expect(told).toEqual(used.map(({ kind }) => (kind === 'block' ? [] : recovered)));
    await Promise.all([...leaving, ...used].map(({ volume }) => end(volume, world.node)));
  });

  it('ext4 and xfs that have met an error go on no more, and the condition says so', async () => {
    const failures = await failuresOf(
      ['ext4', 'xfs'] as const,
      (fsType) => fsType,
      async (fsType) => {
        const capability = mountOf(Mode.SINGLE_NODE_WRITER, fsType, fsType === 'ext4' ? ['errors=remount-ro'] : []);
        const volume = await createPodVolume(world.driver, capability, GIB / 2n);
        const pod = await world.attach(volume);
        const condition = () => conditionAt(world, volume, pod.targetPath);
        expect(await condition()).toEqual({ abnormal: false, message: 'connected and answering' });
        failFileSystem[fsType](volume.volumeId, pod.targetPath);
        expect(() => writeFileSync(path.join(pod.targetPath, 'data'), TEXT, { flush: true })).toThrow(/EROFS|EIO/);
        expect(await condition()).toEqual({ abnormal: true, message: expect.stringMatching(SAYS_FAILED[fsType]) });
        await leave(world, pod);
        await end(volume, world.node);
      },
    );
    expect(failures).toEqual([]);
  });
}

const SAYS_FAILED = {
  ext4: /has met errors: [1-9]\d* \(the last at 20.*may refuse writes.*fsck/,
  xfs: /file system fails.*Input\/output error.*fsck/,
};

/** With data on it. */
async function useVolume(world: World, kind: string) {
  const capability = kind === 'block' ? blockOf() : mountOf(Mode.SINGLE_NODE_WRITER, kind);
  const sizeBytes = kind === 'ext4' || kind === 'block' ? GIB / 16n : GIB / 2n;
  const volume = await createPodVolume(world.driver, capability, sizeBytes, IMPATIENT);
  const pod = await world.attach(volume);
  if (kind === 'block') writeFirst(pod.targetPath, TEXT);
  else writeFileSync(path.join(pod.targetPath, 'data'), TEXT, { flush: true });
  const read = (targetPath: string) =>
    kind === 'block' ? readFirst(targetPath, TEXT.length) : readFileSync(path.join(targetPath, 'data'), 'utf8');
  return { kind, volume, pod, read };
}

type UsedVolume = Awaited<ReturnType<typeof useVolume>>;

/** From the node alone: looking at the folders of what does not answer any more fails. */
async function leave(world: World, { unpublish, unstage }: UsedVolume['pod']): Promise<void> {
  await world.node.csi.unpublish(unpublish);
  await untilDone(() => world.node.csi.unstage(unstage));
}

/** The port stays cut until what is returned is called. */
async function giveUp(world: World, used: readonly UsedVolume[]): Promise<() => void> {
  const mend = cutPort(4420, 'reject with tcp reset');
  try {
    await waitFor(
      () => used.every(({ volume }) => controllersOf(volume.volumeId).length === 0),
      () => 'the kernel has not given up all connections',
    );
    for (const { volume, pod } of used) {
      const message = expect.stringMatching(/^the device is gone: .* must be started again$/);
      expect(await conditionAt(world, volume, pod.targetPath)).toEqual({ abnormal: true, message });
    }
    return mend;
  } catch (error) {
    mend();
    throw error;
  }
}

/** Another pod on the same node, for which the kubelet stages nothing: and then the first one again, as after the kubelet's restart. */
async function recover(world: World, { kind, volume, pod, read }: UsedVolume): Promise<void> {
  const { volumeId } = volume;
  const targetPath = `${pod.targetPath}-2`;
  const publish = (patienceMs = 110_000) => world.node.csi.publish({ ...pod.publish, targetPath }, patienceMs);
  if (kind === 'btrfs') {
    // It waits until the other pod has gone.
    const told = await untilAborted(() => publish(20_000), /delete the pods that have .*mount/);
    expect(told).toContain(pod.targetPath);
    await world.node.csi.unpublish(pod.unpublish);
  }
  await untilDone(() => publish());
  expect(read(targetPath)).toBe(TEXT);
  expect(await conditionAt(world, volume, targetPath)).toEqual({ abnormal: false, message: 'connected and answering' });
  // Of raw block nothing keeps the number from being the new device's.
  if (kind !== 'btrfs' && kind !== 'block') {
    const message = expect.stringMatching(/connected again, and has another one now/);
    expect(await conditionAt(world, volume, pod.targetPath)).toEqual({ abnormal: true, message });
  }
  await world.node.csi.publish(pod.publish);
  expect(read(pod.targetPath)).toBe(TEXT);
  expect((await conditionAt(world, volume, pod.targetPath))?.abnormal).toBe(false);
  await world.node.csi.unpublish({ volumeId, targetPath });
}

async function conditionAt(world: World, { volumeId }: PodVolume, volumePath: string) {
  return (await world.node.csi.stats({ volumeId, volumePath })).volumeCondition;
}

/** Without Kubernetes events are in the controller's log. */
async function recoveryEventsOf(world: World, { volumeId }: PodVolume): Promise<readonly string[]> {
  return (await world.driver.controller.log())
    .split('\n')
    .filter((line) => line.includes(volumeId) && line.includes('"event"'))
    .map((line) => String(JSON.parse(line).event))
    .filter((event) => /^(?:StaleMount|MountRecovered|RecoveryFailed)/.test(event));
}

async function staleMetrics(world: World) {
  const valueOf = async (name: string) => (await world.metric(name)) ?? 0;
  return {
    detected: await valueOf('rds_csi_stale_mounts_detected_total'),
    recovered: await valueOf('rds_csi_stale_recoveries_total{status="success"}'),
  };
}
