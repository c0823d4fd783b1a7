import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Controller, type Driver, startDriver, waitFor } from '../kit/driver';
import { createOf, newName } from '../kit/requests';

let driver: Driver;
let second: Controller;

beforeAll(async () => {
  driver = await startDriver();
  second = await driver.startController();
});

afterAll(async () => {
  await driver.stop();
});

describe('the same CreateVolume 20 times at once, through two controllers', () => {
  it('is one workflow run, one disk, 20 equal answers', async () => {
    const name = newName();
    await driver.rds.setLatency({ change: 500, allocation: 500 });
    const callers = Array.from({ length: 20 }, (_none, index) => (index % 2 ? driver : second).csi);
    const replies = await Promise.all(callers.map((csi) => csi.createVolume(createOf(name))));
    await driver.rds.setLatency({ change: 0, allocation: 0 });
    for (const reply of replies) expect(reply).toEqual(replies[0]);
    const { disks, files } = await driver.rds.traces(name);
    expect([disks.length, files.length]).toEqual([1, 1]);
    expect((await driver.rds.scripts()).filter(({ script }) => script.includes(name))).toHaveLength(1);
    const runs = (): Promise<number> =>
      driver.temporal.client.workflow.count(`VolumeId = "${name}"`).then(({ count }) => count);
    await waitFor(
      async () => (await runs()) === 1,
      async () => `${await runs()} runs`,
    );
  });

  it('and of 20 volumes, is 20 disks', async () => {
    const names = Array.from({ length: 20 }, newName);
    const replies = await Promise.all(
      names.map((name, index) => (index % 2 ? driver : second).csi.createVolume(createOf(name))),
    );
    expect(replies.map(({ volume }) => volume?.volumeId)).toEqual(names);
    const traces = await Promise.all(names.map((name) => driver.rds.traces(name)));
    expect(traces.map(({ disks, files }) => [disks.length, files.length])).toEqual(names.map(() => [1, 1]));
  });
});
