import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { controllerFieldsOf } from '../../src/cli/embedded';
import { type SimulatedRds, startSimulatedRds } from '../../src/cli/simulated-rds';
import { RECONCILE_SCHEDULE_ID } from '../../src/contract/reconcile';
import { type Controller, type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { createOf, newName } from '../kit/requests';

let driver: Driver;
let folder: string;
let rds: SimulatedRds;
let other: Controller;

/** Another deployment's, with an RDS of its own. */
function otherFields(): Record<string, unknown> {
  const { endpoint: _endpoint, ...fields } = controllerFieldsOf({ rds, temporal: driver.temporal, socketPath: '' });
  return { ...fields, clusterId: 'other-cluster' };
}

beforeAll(async () => {
  driver = await startDriver();
  folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-test-'));
  rds = await startSimulatedRds({ main: path.resolve(__dirname, '../../dist/src/cli/main.js'), folder });
  other = await driver.startController({ config: otherFields(), ready: false });
});

afterAll(async () => {
  await driver.stop();
  await rds.close();
  await rm(folder, { recursive: true, force: true });
});

const filesOf = async ({ state }: Pick<SimulatedRds, 'state'>): Promise<number> =>
  (await state()).disks.filter(({ values }) => values.type === 'file').length;

it('a deployment does nothing in the namespace of another one, says whose it is, and leaves that one alone', async () => {
  const words = 'belongs to another deployment (cluster test-cluster, driver rds.csi.srvlab.io)';
  await waitFor(
    async () => (await other.log()).includes(words),
    async () => `it does not say so:\n${await other.log()}`,
  );
  const refused = await errorOf(other.csi.createVolume(createOf(newName())));
  expect([status[refused.code], refused.details]).toEqual(['UNAVAILABLE', expect.stringContaining(words)]);
  expect((await other.csi.probe({})).ready).toBe(false);
  const names = Array.from({ length: 12 }, newName);
  await Promise.all(names.map((name) => driver.csi.createVolume(createOf(name, 2n ** 20n))));
  expect([await filesOf(driver.rds), await filesOf(rds)]).toEqual([12, 0]);
});

it('and takes it when that one is gone for good, and its Schedule with it', async () => {
  await driver.controller.program.stop();
  await driver.temporal.client.schedule.getHandle(RECONCILE_SCHEDULE_ID).delete();
  await waitFor(
    async () => (await other.csi.probe({})).ready === true,
    async () => `it does not take it:\n${await other.log()}`,
  );
  await other.csi.createVolume(createOf(newName()));
  expect(await filesOf(rds)).toBe(1);
});
