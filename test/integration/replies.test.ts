import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver } from '../kit/driver';
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
