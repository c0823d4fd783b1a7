import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { waitFor } from '../kit/driver';
import { createPodVolume, mountsOf } from '../kit/pod';
import { blockOf, createOf, GIB, mountOf, newName } from '../kit/requests';
import { createOtherCheckout } from './checkout';
import { checkExt, cutPort } from './kernel';
import {
  controllersOf,
  deviceOf,
  end,
  hostTracesOf,
  type PodVolume,
  report,
  stateOf,
  tracesInKernel,
  untilDone,
} from './kit';
import type { World } from './world';
import { startWriter } from './writer';

const CUT_MS = 30_000;
const REBOOT_MS = 60_000;
const AREA_BYTES = 2 ** 24;
/** Forty stages, and as many unstages, each of a dozen programs on a processor that is emulated. */
const MANY_LIMIT_MS = 15 * 60_000;

/** What happens to volumes in use while the RDS, the network or the node's own process are away. */
export function outageTests(world: World): void {
  describe('under a writer', () => {
    it('the port is cut for 30 s: volumes stall and go on, nothing is lost, and condition and metrics tell', async () => {
      const used = [
        await useVolume(world, await createPodVolume(world.driver, mountOf(undefined, 'ext4'), GIB / 4n)),
        await useVolume(world, await createPodVolume(world.driver, blockOf(), GIB / 4n)),
      ];
      const outages = await watchOutages(world, used);
      const before = used.map(({ kernel }) => kernel());

      const cutAt = Date.now();
      const mend = cutPort(4420);
      try {
        await outages.untilLost();
        const stalledAt = used.map(({ writer }) => writer.count());
        await delay(Math.max(0, CUT_MS - (Date.now() - cutAt)));
        expect(used.map(({ writer }) => writer.count())).toEqual(stalledAt);
      } finally {
        mend();
      }
      for (const { volume, writer } of used) {
        await untilLive(volume.volumeId);
        await writer.more(5);
        expect(writer.longestMs()).toBeGreaterThan(CUT_MS / 2);
        report('longest write, the port cut for 30 s', writer.longestMs());
      }
      await outages.untilOver();
      expect(used.map(({ kernel }) => kernel())).toEqual(before);
      for (const each of used) await finish(world, each);
    });

    it('the RDS reboots for 60 s: volumes stall and go on, and what was asked of it meanwhile completes', async () => {
      const used = [
        await useVolume(world, await createPodVolume(world.driver, mountOf(undefined, 'ext3'))),
        await useVolume(world, await createPodVolume(world.driver, blockOf())),
      ];
      const outages = await watchOutages(world, used);
      const before = used.map(({ kernel }) => kernel());
      const [grown] = used;
      if (!grown) throw new Error('there is no volume');
      const stoppedAt = Date.now();
      await world.driver.rds.stop();
      await outages.untilLost();
      const capacityRange = { requiredBytes: GIB };
      const { volumeId } = grown.volume;
      const growing = untilDone(() => world.driver.csi.expandVolume({ volumeId, capacityRange }));
      const asked = createOf(newName(), GIB / 4n);
      const creating = untilDone(() => world.driver.csi.createVolume(asked));
      await delay(Math.max(0, REBOOT_MS - (Date.now() - stoppedAt)));
      await world.driver.rds.start();
      for (const { volume } of used) await untilLive(volume.volumeId);
      expect((await growing).capacityBytes).toBe(GIB);
      const { volume: created } = await creating;
      await world.driver.csi.deleteVolume({ volumeId: created?.volumeId ?? '' });
      for (const { writer } of used) {
        await writer.more(5);
        expect(writer.longestMs()).toBeGreaterThan(REBOOT_MS / 2);
        report('longest write, the RDS away for 60 s', writer.longestMs());
      }
      await outages.untilOver();
      expect(used.map(({ kernel }) => kernel())).toEqual(before);
      await untilDone(() => world.node.csi.expand({ ...grown.pod.expand, capacityRange }));
      for (const each of used) await finish(world, each);
    });

    it('the node’s process is killed and started again, and stopped for another release: no write takes a second longer', async () => {
      const used = await useVolume(world, await createPodVolume(world.driver, blockOf(), GIB / 4n));
      const { writer, pod, kernel } = used;
      const before = kernel();
      await writer.more(50);
      const [from, bystanderFrom] = [writer.count(), world.bystander.count()];
      const upgraded = await createOtherCheckout('999.0.0');
      for (const [way, main] of [
        ['kill', undefined],
        ['stop', upgraded],
      ] as const) {
        await world.node.program[way]();
        await writer.more(5);
        await world.startNode(main);
        expect((await world.node.log()).includes('"version":"999.0.0"')).toBe(main === upgraded);
        await world.node.csi.stage(pod.stage);
        await world.node.csi.publish(pod.publish);
        await writer.more(5);
      }
      expect(kernel()).toEqual(before);
      report('longest write, the node’s process killed and upgraded', writer.longestMs(from));
      report(
        'longest write of a disk that the driver has nothing to do with, meanwhile',
        world.bystander.longestMs(bystanderFrom),
      );
      // What the machine itself lets wait, both meet.
      expect(writer.longestMs(from)).toBeLessThan(world.bystander.longestMs(bystanderFrom) + 1_000);
      await finish(world, used);
    });
  });

  it(
    'twenty volumes at once, twice: staged, unstaged, and nothing left of any',
    async () => {
      const kinds = [mountOf(), blockOf()];
      const volumes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => createPodVolume(world.driver, kinds[index % 2], 2n ** 26n)),
      );
      for (let round = 0; round < 2; round += 1) {
        await Promise.all(
          volumes.map((volume) => untilDone(() => world.node.csi.stage(volume.on(world.node).stage, 110_000))),
        );
        const states = volumes.map(({ volumeId }) => stateOf(volumeId));
        expect(states).toEqual(volumes.map(() => 'live'));
        await Promise.all(
          volumes.map((volume) => untilDone(() => world.node.csi.unstage(volume.on(world.node).unstage, 110_000))),
        );
        expect(volumes.flatMap(({ volumeId }) => hostTracesOf(volumeId))).toEqual([]);
      }
      await Promise.all(volumes.map(({ volumeId }) => untilDone(() => world.driver.csi.deleteVolume({ volumeId }))));
      expect(volumes.flatMap(({ volumeId }) => tracesInKernel(volumeId))).toEqual([]);
      const exported = (await world.driver.rds.state()).exports.map(({ slot }) => slot);
      expect(exported.filter((slot) => volumes.some(({ volumeId }) => volumeId === slot))).toEqual([]);
    },
    MANY_LIMIT_MS,
  );
}

/** A volume that a pod has, with a workload on it. */
async function useVolume(world: World, volume: PodVolume) {
  const pod = await world.attach(volume);
  const isMounted = pod.publish.volumeCapability.accessType.$case === 'mount';
  const file = isMounted ? path.join(pod.targetPath, 'data') : pod.targetPath;
  const { volumeId } = volume;
  const where = { volumeId, volumePath: pod.targetPath, stagingTargetPath: pod.stagingTargetPath };
  return {
    volume,
    pod,
    writer: await startWriter({ file, sizeBytes: AREA_BYTES }),
    condition: async () => (await world.node.csi.stats(where)).volumeCondition,
    /** What the kernel has of it: another session, device or mount would be another answer. */
    kernel: () => ({ session: controllersOf(volumeId), device: deviceOf(volumeId), mounts: mountsOf(volumeId) }),
  };
}

type UsedVolume = Awaited<ReturnType<typeof useVolume>>;

/** What conditions and metrics tell of outages of these volumes, from now on. */
async function watchOutages(world: World, used: readonly UsedVolume[]) {
  const count = async () => (await world.metric('rds_csi_nvme_outage_duration_seconds_count')) ?? 0;
  const lost = async () => (await world.metric('rds_csi_nvme_connections_lost')) ?? 0;
  const before = await count();
  for (const { condition } of used) expect(await condition()).toMatchObject({ abnormal: false });
  return {
    async untilLost() {
      for (const { condition } of used) await untilItSays(condition, /lost \(connecting\), seen since 20/);
      expect(await lost()).toBe(used.length);
    },
    async untilOver() {
      for (const { condition } of used) await untilItSays(condition, /^connected and answering$/);
      await waitFor(
        async () => (await count()) === before + used.length,
        async () => `the metrics know of ${await count()} outages that are over, not of ${before + used.length}`,
      );
      expect(await lost()).toBe(0);
    },
  };
}

async function untilItSays(condition: UsedVolume['condition'], expected: RegExp): Promise<void> {
  const isSaid = async () => expected.test((await condition())?.message ?? '');
  await waitFor(isSaid, async () => `the condition is ${JSON.stringify(await condition())}, not ${expected}`);
}

async function untilLive(volumeId: string): Promise<void> {
  await waitFor(
    () => stateOf(volumeId) === 'live',
    () => `${volumeId} is ${stateOf(volumeId)}`,
  );
}

/** No write has failed, all are there, its file system (ext) is in order, and the volume goes without a trace. */
async function finish(world: World, { writer, volume, pod }: UsedVolume): Promise<void> {
  await writer.end();
  await writer.verify();
  if (pod.stage.volumeCapability.accessType.$case === 'mount') {
    await world.node.csi.unpublish(pod.unpublish);
    await untilDone(() => world.node.csi.unstage(pod.unstage));
    checkExt(volume.volumeId);
  }
  await end(volume, world.node);
}
