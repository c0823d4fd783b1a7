import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TemporalServer } from '../../temporal/server';
import { type Driver, startDriver, waitFor } from '../kit/driver';
import { createPodVolume, isRoot } from '../kit/pod';
import { createOf, mountOf, newName } from '../kit/requests';
import { startOwnTemporal } from '../kit/temporal';

let folder: string;
let temporal: TemporalServer;
let driver: Driver;

const configOf = ({ address }: TemporalServer) => ({ temporalAddress: address, temporalNamespace: 'default' });

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-temporal-crash-'));
  temporal = await startOwnTemporal({ dbFilename: path.join(folder, 'temporal.db') });
  driver = await startDriver({ config: configOf(temporal) });
});

afterAll(async () => {
  await driver.stop();
  await temporal.stop();
  rmSync(folder, { recursive: true });
});

/** As a crash would: its database stays as it is at that moment. */
async function killAndRestart(): Promise<void> {
  const { pid, address } = temporal;
  if (pid === undefined) throw new Error('no server of our own');
  process.kill(pid, 'SIGKILL');
  await temporal.stop();
  const port = Number(address.split(':')[1]);
  temporal = await startOwnTemporal({ dbFilename: path.join(folder, 'temporal.db'), port });
}

/** The sidecars' way: again and again until it is answered OK. */
async function untilOk(call: () => Promise<unknown>): Promise<void> {
  await waitFor(
    () => call().then(() => true),
    () => 'it never ended well',
    90_000,
  );
}

describe('Temporal killed with -9', () => {
  it('in the middle of a create: the repeated call ends well, with one disk', async () => {
    const name = newName();
    await driver.rds.setLatency({ allocation: 4_000 });
    const lost = driver.csi.createVolume(createOf(name), 20_000).catch(() => 'lost');
    await waitFor(
      async () => (await driver.rds.scripts()).some(({ script }) => script.includes(name)),
      () => 'the command was not sent',
    );
    await killAndRestart();
    await lost;
    await driver.rds.heal();
    await untilOk(() => driver.csi.createVolume(createOf(name), 20_000));
    const { disks, files } = await driver.rds.traces(name);
    expect([disks.length, files.length]).toEqual([1, 1]);
    const added = (await driver.rds.scripts()).flatMap(({ commands }) =>
      commands.filter(({ command }) => command === 'add'),
    );
    expect(added).toHaveLength(1);
  });

  (isRoot ? it : it.skip)(
    'in the middle of a stage: the repeated call ends well, and nothing stays behind',
    async () => {
      const node = await driver.startNode('node-a', { config: configOf(temporal) });
      const volume = await createPodVolume(driver, mountOf(undefined, 'ext4'));
      const pod = volume.on(node);
      const lost = node.csi.stage(pod.stage, 20_000).catch(() => 'lost');
      await killAndRestart();
      await lost;
      await untilOk(() => node.csi.stage(pod.stage, 20_000));
      await node.csi.publish(pod.publish);
      await expect(volume.end(node)).resolves.toBeUndefined();
    },
  );
});
