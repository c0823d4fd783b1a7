import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Controller, type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { type Metrics, metricsOnFreePort } from '../kit/metrics';
import { blockOf, createOf, newName, publishOf } from '../kit/requests';
import { untilOk } from '../kit/step-cases';

const SHARED = blockOf(Mode.MULTI_NODE_MULTI_WRITER);

let driver: Driver;
let metrics: Metrics;

beforeAll(async () => {
  metrics = await metricsOnFreePort();
  driver = await startDriver({ config: { httpAddress: metrics.httpAddress } });
});

afterAll(async () => {
  await driver.stop();
});

const metric = (name: string): Promise<number | undefined> => metrics.value(name);

/** The events of a volume in a controller's log: without Kubernetes they are nowhere else. */
const eventsOf = async (controller: Controller, name: string): Promise<string[]> =>
  (await controller.log())
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { event?: string; volumeId?: string })
    .filter(({ event, volumeId }) => event !== undefined && volumeId === name)
    .map(({ event = '' }) => event);

/** A raw block volume that two nodes have, by its own StorageClass for 30 s at most. */
async function migrating(): Promise<{ readonly name: string; readonly publish: (node: string) => Promise<unknown> }> {
  const name = newName();
  const { volume } = await driver.csi.createVolume({
    ...createOf(name),
    volumeCapabilities: [SHARED],
    parameters: { migrationTimeoutSeconds: '30' },
  });
  const volumeContext = volume?.volumeContext ?? {};
  const request = (node: string) => ({ ...publishOf(name, node, SHARED), volumeContext });
  const publish = (node: string) => untilOk(() => driver.csi.publishVolume(request(node)));
  await publish('node-a');
  await publish('node-b');
  return { name, publish };
}

describe('a live migration', () => {
  it('is told and counted; what is under way is counted from what the RDS says', async () => {
    const { csi, controller } = driver;
    const before = { migrations: (await metric('rds_csi_migration_migrations_total{result="success"}')) ?? 0 };
    expect(await metric('rds_csi_migration_active_migrations')).toBeUndefined();
    const { name, publish } = await migrating();
    await csi.listVolumes({});
    expect(await metric('rds_csi_migration_active_migrations')).toBe(1);
    expect((await errorOf(publish('node-c'))).details).toMatch(/node-a.*node-b/);
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    await waitFor(
      async () => (await eventsOf(controller, name)).includes('MigrationCompleted'),
      async () => JSON.stringify(await eventsOf(controller, name)),
    );
    expect(await eventsOf(controller, name)).toEqual(
      expect.arrayContaining(['VolumeAttached', 'MigrationStarted', 'AttachmentConflict', 'VolumeDetached']),
    );
    await waitFor(
      async () => (await metric('rds_csi_migration_migrations_total{result="success"}')) === before.migrations + 1,
      () => 'not counted',
    );
    expect(await metric('rds_csi_migration_duration_seconds_count')).toBe(1);
    expect(await metric('rds_csi_attachment_attach_total{status="success"}')).toBe(2);
    expect(await metric('rds_csi_attachment_detach_total{status="success"}')).toBe(1);
    expect(await metric('rds_csi_attachment_conflicts_total')).toBe(1);
    await csi.listVolumes({});
    expect(await metric('rds_csi_migration_active_migrations')).toBe(0);
  });

  it('has its time, no less, over a kill of the controller', async () => {
    const { name } = await migrating();
    const begun = Date.now();
    await driver.controller.program.kill();
    const second = await driver.startController({ config: { httpAddress: metrics.httpAddress } });
    await second.csi.listVolumes({});
    expect(await metric('rds_csi_migration_active_migrations')).toBe(1);
    await waitFor(
      async () => (await eventsOf(second, name)).includes('MigrationFailed'),
      async () => JSON.stringify(await eventsOf(second, name)),
      70_000,
    );
    expect(Date.now() - begun).toBeGreaterThan(25_000);
    await waitFor(
      async () => (await metric('rds_csi_migration_migrations_total{result="timeout"}')) === 1,
      () => 'not counted',
    );
    const { status } = await second.csi.getVolume({ volumeId: name });
    expect(status?.publishedNodeIds).toEqual(['node-a', 'node-b']);
  });
});
