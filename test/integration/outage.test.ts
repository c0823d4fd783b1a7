import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { temporal } from '@temporalio/proto';
import { type Driver, errorOf, startDriver, waitFor, waitUntilReady } from '../kit/driver';
import { createOf, newName, publishOf } from '../kit/requests';

const ActivityState = temporal.api.enums.v1.PendingActivityState;

let driver: Driver;

beforeAll(async () => {
  // Room for all five operations at once: each is in the middle of its script.
  driver = await startDriver({ config: { rdsMaxExecs: 5 } });
});

afterAll(async () => {
  await driver.stop();
});

afterEach(async () => {
  await driver.rds.heal();
  await waitUntilReady(driver.controller);
});

const appears = (name: string, limitMs?: number): Promise<void> =>
  waitFor(
    async () => (await driver.rds.traces(name)).disks.length === 1,
    () => `${name} did not appear`,
    limitMs,
  );

describe('while the RDS is away', () => {
  it('a create answers ABORTED just before its deadline, says why, since when and which attempt; and ends by itself', async () => {
    const name = newName();
    const away = Date.now();
    await driver.rds.stop();
    await waitFor(
      async () => (await driver.csi.probe({})).ready === false,
      () => 'the controller is ready without an RDS',
    );
    const begun = Date.now();
    const error = await errorOf(driver.csi.createVolume(createOf(name), 8_000));
    const tookMs = Date.now() - begun;
    expect(tookMs).toBeGreaterThan(7_000);
    expect(tookMs).toBeLessThan(8_000);
    expect(error.code).toBe(status.ABORTED);
    expect(error.details).toContain('cannot be reached since');
    expect(error.details).toMatch(/attempt [2-9]/);
    expect(error.details).toContain(`workflow volume/${name}`);
    const since = /since (\d{4}-[-:.\dT]+Z)/.exec(error.details)?.[1];
    expect(Math.abs(Date.parse(since ?? '') - away)).toBeLessThan(5_000);
    await driver.rds.start();
    await appears(name, 20_000);
    expect((await driver.csi.createVolume(createOf(name))).volume?.volumeId).toBe(name);
  });

  it('half-open, with connections that are taken and never answered: a create ends by itself all the same', async () => {
    const name = newName();
    await driver.rds.setConnections({ mode: 'hang', existing: 'hang' });
    await waitFor(
      async () => (await driver.csi.probe({})).ready === false,
      () => 'the controller is ready without an RDS',
    );
    const creating = driver.csi.createVolume(createOf(name), 120_000);
    // The worst moment: an attempt that will take its whole time has just begun, and the longest back-off comes after it.
    const attempt = await startedAttempt(name, 5);
    await driver.rds.setConnections({ mode: 'accept' });
    const begun = Date.now();
    await appears(name, 20_000);
    await creating;
    expect(Date.now() - begun).toBeLessThan(20_000);
    expect(attempt).toBe(5);
  });

  it('a delete cancels the create of the same volume, and nothing is left afterwards', async () => {
    const name = newName();
    await driver.rds.stop();
    const creating = errorOf(driver.csi.createVolume(createOf(name), 20_000));
    await waitFor(
      async () => (await describeRun(name)) === 'createVolume RUNNING',
      () => 'the create has not begun',
    );
    const deleting = driver.csi.deleteVolume({ volumeId: name }, 60_000);
    expect((await creating).code).toBe(status.ABORTED);
    await waitFor(
      async () => (await describeRun(name)) === 'deleteVolume RUNNING',
      () => 'the delete has not begun',
    );
    await driver.rds.start();
    await deleting;
    expect(await driver.rds.traces(name)).toEqual({ disks: [], files: [] });
  });

  it('reads say UNAVAILABLE, and never that a volume is not there', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    await driver.rds.stop();
    const codes = await Promise.all([
      errorOf(driver.csi.getVolume({ volumeId: name })),
      errorOf(driver.csi.listVolumes({})),
      errorOf(driver.csi.getCapacity({})),
    ]);
    expect(codes.map(({ code }) => status[code])).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE']);
    expect(codes[0]?.details).toContain('cannot be reached since');
  });

  it('every operation that is under way ends well after its return', async () => {
    const names = { grown: newName(), held: newName(), attached: newName(), gone: newName(), made: newName() };
    const { csi, rds } = driver;
    await Promise.all(
      [names.grown, names.held, names.attached, names.gone].map((name) => csi.createVolume(createOf(name))),
    );
    await csi.publishVolume(publishOf(names.held, 'node-a'));
    await rds.setLatency({ change: 3_000, allocation: 3_000 });
    const before = (await rds.scripts()).length;
    const calls = [
      () => csi.createVolume(createOf(names.made), 90_000),
      () => csi.expandVolume({ volumeId: names.grown, capacityRange: { requiredBytes: 2n ** 31n } }, 90_000),
      () => csi.publishVolume(publishOf(names.attached, 'node-a'), 90_000),
      () => csi.unpublishVolume({ volumeId: names.held, nodeId: 'node-a' }, 90_000),
      () => csi.deleteVolume({ volumeId: names.gone }, 90_000),
    ];
    const first = calls.map((call) => call());
    await waitFor(
      async () => (await rds.scripts()).length - before >= 5,
      () => 'the commands were not sent',
    );
    await rds.stop();
    await rds.setLatency({ change: 0, allocation: 0 });
    await rds.start();
    await Promise.all(first);
    for (const call of calls) await call();
    const traces = async (name: string) => {
      const { disks, files } = await rds.traces(name);
      return [disks.length, files.length];
    };
    expect(await traces(names.made)).toEqual([1, 1]);
    expect(await traces(names.gone)).toEqual([0, 0]);
    expect((await csi.getVolume({ volumeId: names.grown })).volume?.capacityBytes).toBe(2n ** 31n);
    expect((await csi.getVolume({ volumeId: names.attached })).status?.publishedNodeIds).toEqual(['node-a']);
    expect((await csi.getVolume({ volumeId: names.held })).status?.publishedNodeIds).toEqual([]);
  });
});

/** Waits until this attempt of the activity that the volume's run is at has been started, or a later one. */
async function startedAttempt(name: string, attempt: number): Promise<number> {
  let started = 0;
  const isStarted = async () => {
    const { raw } = await driver.temporal.client.workflow.getHandle(`volume/${name}`).describe();
    const [activity] = raw.pendingActivities ?? [];
    if (activity?.state === ActivityState.PENDING_ACTIVITY_STATE_STARTED) started = activity.attempt ?? 0;
    return started >= attempt;
  };
  await waitFor(isStarted, () => `attempt ${started}`, 90_000);
  return started;
}

async function describeRun(name: string): Promise<string> {
  const run = await driver.temporal.client.workflow.getHandle(`volume/${name}`).describe();
  return `${run.type} ${run.status.name}`;
}
