import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { createOf, GIB, newName, publishOf } from '../kit/requests';

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

describe('the reply of a change lost', () => {
  it.each(['before', 'after'] as const)(
    '%s it took effect: each workflow ends right, and has no second effect',
    async (moment) => {
      const { csi, rds } = driver;
      const names = { made: newName(), grown: newName(), attached: newName(), held: newName(), gone: newName() };
      const old = [names.grown, names.attached, names.held, names.gone];
      await Promise.all(old.map((name) => csi.createVolume(createOf(name))));
      await csi.publishVolume(publishOf(names.held, 'node-a'));
      for (const name of Object.values(names)) await rds.addFault({ pattern: name, when: moment, mode: 'reset' });
      const before = (await rds.scripts()).length;
      await Promise.all([
        csi.createVolume(createOf(names.made), patient),
        csi.expandVolume({ volumeId: names.grown, capacityRange: { requiredBytes: 2n * GIB } }, patient),
        csi.publishVolume(publishOf(names.attached, 'node-a'), patient),
        csi.unpublishVolume({ volumeId: names.held, nodeId: 'node-a' }, patient),
        csi.deleteVolume({ volumeId: names.gone }, patient),
      ]);
      const changes = (await rds.scripts()).slice(before).flatMap(({ commands }) => commands);
      const effects = (menu: string, command: string) =>
        changes.filter((change) => change.menu === menu && change.command === command).length;
      // One for each attempt that took effect, and none for one that only looked.
      expect(effects('/disk', 'add')).toBe(1);
      expect(effects('/disk', 'remove')).toBe(1);
      expect(effects('/file', 'remove')).toBeLessThanOrEqual(2);
      expect(await countsOf(names.made)).toEqual([1, 1]);
      expect(await countsOf(names.gone)).toEqual([0, 0]);
      expect((await csi.getVolume({ volumeId: names.grown })).volume?.capacityBytes).toBe(2n * GIB);
      expect((await csi.getVolume({ volumeId: names.attached })).status?.publishedNodeIds).toEqual(['node-a']);
      expect((await csi.getVolume({ volumeId: names.held })).status?.publishedNodeIds).toEqual([]);
    },
  );
});

describe('an answer that cannot be read', () => {
  it.each(['truncate', 'garbage'] as const)(
    '(%s) is never taken for "absent": the operation tries again',
    async (mode) => {
      const name = newName();
      await driver.rds.addFault({ pattern: name, when: 'after', mode });
      await driver.csi.createVolume(createOf(name), patient);
      expect(await countsOf(name)).toEqual([1, 1]);
      await driver.rds.addFault({ pattern: name, when: 'after', mode });
      expect((await errorOf(driver.csi.getVolume({ volumeId: name }))).code).toBe(status.UNAVAILABLE);
      await driver.rds.addFault({ pattern: name, when: 'after', mode });
      await driver.csi.publishVolume(publishOf(name, 'node-a'), patient);
      expect((await driver.csi.getVolume({ volumeId: name })).status?.publishedNodeIds).toEqual(['node-a']);
    },
  );
});

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
    await driver.csi.createVolume(createOf(hung), patient);
    expect(await countsOf(hung)).toEqual([1, 1]);
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

describe('what RouterOS refuses', () => {
  it('is not tried again: a full pool is RESOURCE_EXHAUSTED, with pool, free and asked bytes', async () => {
    const name = newName();
    const error = await errorOf(driver.csi.createVolume(createOf(name, 2048n * GIB)));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(error.details).toContain('storage-pool');
    expect(error.details).toContain(String(2048n * GIB));
    expect(await countsOf(name)).toEqual([0, 0]);
    const small = newName();
    await driver.csi.createVolume(createOf(small));
    const growth = { volumeId: small, capacityRange: { requiredBytes: 2048n * GIB } };
    expect((await errorOf(driver.csi.expandVolume(growth))).code).toBe(status.RESOURCE_EXHAUSTED);
    expect((await driver.csi.getVolume({ volumeId: small })).volume?.capacityBytes).toBe(GIB);
  });
});
