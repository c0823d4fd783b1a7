import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, startDriver, waitFor } from '../kit/driver';
import { createOf, newName, publishOf } from '../kit/requests';

let driver: Driver;

beforeAll(async () => {
  // Room for all five operations at once: each is in the middle of its script.
  driver = await startDriver({ config: { rdsMaxExecs: 5 } });
});

afterAll(async () => {
  await driver.stop();
});

describe('kill -9 of the controller in the middle of each operation', () => {
  it('leaves one disk and one file, or none, after the repeated call', async () => {
    const names = { made: newName(), grown: newName(), attached: newName(), held: newName(), gone: newName() };
    const { csi, rds } = driver;
    await Promise.all(
      [names.grown, names.attached, names.held, names.gone].map((name) => csi.createVolume(createOf(name))),
    );
    await csi.publishVolume(publishOf(names.held, 'node-a'));

    const callsOf = (caller: Driver['csi']) => [
      caller.createVolume(createOf(names.made), 100_000),
      caller.expandVolume({ volumeId: names.grown, capacityRange: { requiredBytes: 2n ** 31n } }, 100_000),
      caller.publishVolume(publishOf(names.attached, 'node-a'), 100_000),
      caller.unpublishVolume({ volumeId: names.held, nodeId: 'node-a' }, 100_000),
      caller.deleteVolume({ volumeId: names.gone }, 100_000),
    ];
    const before = (await rds.scripts()).length;
    await rds.setLatency({ change: 6_000, allocation: 6_000 });
    const lost = Promise.allSettled(callsOf(csi));
    await waitFor(
      async () => (await rds.scripts()).length - before === 5,
      () => 'the commands were not sent',
    );
    await driver.controller.program.kill();
    expect((await lost).map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    await rds.setLatency({ change: 0, allocation: 0 });

    const second = await driver.startController({ config: { rdsMaxExecs: 5 } });
    await Promise.all(callsOf(second.csi));
    const countsOf = async (name: string) => {
      const { disks, files } = await rds.traces(name);
      return [disks.length, files.length];
    };
    expect(await countsOf(names.made)).toEqual([1, 1]);
    expect(await countsOf(names.gone)).toEqual([0, 0]);
    const grown = await second.csi.getVolume({ volumeId: names.grown });
    expect(grown.volume?.capacityBytes).toBe(2n ** 31n);
    expect((await second.csi.getVolume({ volumeId: names.attached })).status?.publishedNodeIds).toEqual(['node-a']);
    expect((await second.csi.getVolume({ volumeId: names.held })).status?.publishedNodeIds).toEqual([]);
  });
});

describe('SIGTERM', () => {
  it('ends the controller in order, and removes its socket', async () => {
    const controller = await driver.startController();
    await controller.program.stop();
    await expect(controller.program.ended).resolves.toBe(0);
    await expect(controller.csi.probe({}, 2_000)).rejects.toMatchObject({ code: 14 });
  });
});
