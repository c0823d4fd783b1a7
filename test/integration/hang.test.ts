import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { createOf, newName } from '../kit/requests';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver();
});

afterAll(async () => {
  await driver.stop();
});

afterEach(async () => {
  await driver.rds.heal();
});

const patient = 120_000;

const countsOf = async (name: string) => {
  const { disks, files } = await driver.rds.traces(name);
  return [disks.length, files.length];
};

describe('an RDS that hangs', () => {
  it('in one command: no call waits longer than its limits, and others go on', async () => {
    const [hung, other] = [newName(), newName()];
    await driver.rds.addFault({ pattern: hung, when: 'before', mode: 'hang' });
    const waiting = errorOf(driver.csi.createVolume(createOf(hung), 6_000));
    await waitFor(
      async () => (await driver.rds.scripts()).some(({ script }) => script.includes(hung)),
      () => 'the command was not sent',
    );
    const begun = Date.now();
    await driver.csi.createVolume(createOf(other), 10_000);
    expect(Date.now() - begun).toBeLessThan(5_000);
    const error = await waiting;
    expect(error.code).toBe(status.ABORTED);
    expect(error.details).toContain('ensureVolume, attempt 1');
    // As long as its connection lives the script may take effect: the driver would wait for it for two minutes.
    await driver.rds.setConnections({ existing: 'reset' });
    await driver.csi.createVolume(createOf(hung), patient);
    expect(await countsOf(hung)).toEqual([1, 1]);
  });

  it('in a read: it is given up after 20 s', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    await driver.rds.addFault({ pattern: name, when: 'before', mode: 'hang' });
    const begun = Date.now();
    expect((await errorOf(driver.csi.getVolume({ volumeId: name }, 40_000))).code).toBe(status.UNAVAILABLE);
    expect(Date.now() - begun).toBeLessThan(25_000);
  });

  it('with all its connections half-open: it is noticed, and a new connection goes on', async () => {
    const name = newName();
    await driver.rds.setConnections({ mode: 'hang', existing: 'hang' });
    const begun = Date.now();
    const read = await errorOf(driver.csi.getVolume({ volumeId: name }, 40_000));
    expect(read.code).toBe(status.UNAVAILABLE);
    expect(Date.now() - begun).toBeLessThan(30_000);
    await driver.rds.heal();
    await driver.csi.createVolume(createOf(name), patient);
    expect(await countsOf(name)).toEqual([1, 1]);
  });
});
