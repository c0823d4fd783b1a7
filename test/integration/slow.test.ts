import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { createOf, newName } from '../kit/requests';

/** Longer than a read may take, and than a worker may be silent. */
const ALLOCATION_MS = 26_000;

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver();
});

afterAll(async () => {
  await driver.stop();
});

it('a delete waits until the create that it cancels has ended on a slow RDS, and nothing appears after it', async () => {
  const { csi, rds } = driver;
  const name = newName();
  await rds.setLatency({ allocation: ALLOCATION_MS });
  const creating = csi.createVolume(createOf(name), 60_000);
  await waitFor(
    async () => (await rds.scripts()).some(({ script }) => script.includes(name)),
    () => 'the create was not sent',
  );
  const sent = Date.now();
  await csi.deleteVolume({ volumeId: name }, 60_000);
  expect(Date.now() - sent).toBeGreaterThan(ALLOCATION_MS - 1_000);
  // The volume was made before it was deleted: so its caller is told.
  expect((await creating).volume?.volumeId).toBe(name);
  expect(await rds.traces(name)).toEqual({ disks: [], files: [] });
  const commands = (await rds.scripts()).flatMap((one) => one.commands).filter(({ menu }) => menu === '/disk');
  const changes = commands.map(({ command }) => command).filter((command) => ['add', 'remove'].includes(command));
  expect(changes).toEqual(['add', 'remove']);
});

it('a create that outlasts its caller is joined by the repeat, and makes one disk', async () => {
  const { csi, rds } = driver;
  const name = newName();
  const before = (await rds.scripts()).length;
  const error = await errorOf(csi.createVolume(createOf(name), 5_000));
  expect([error.code, error.details]).toEqual([status.ABORTED, expect.stringContaining('attempt 1')]);
  await csi.createVolume(createOf(name), 60_000);
  const sent = (await rds.scripts()).slice(before).flatMap(({ commands }) => commands);
  expect(sent.filter(({ command }) => command === 'add')).toHaveLength(1);
});
