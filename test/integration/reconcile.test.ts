import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RECONCILE_SCHEDULE_ID, type ReconcileSummary } from '../../src/contract/reconcile';
import { type Driver, startDriver, waitFor } from '../kit/driver';
import { createOf, newName, publishOf } from '../kit/requests';
import { typeCommand } from '../kit/routeros-prompt';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver({ config: { nodeCheck: 'off', reconcileInterval: '5s', orphanAge: '1s' } });
});

afterAll(async () => {
  await driver.stop();
});

/** The summaries of all runs that have ended, the newest first. */
async function summaries(): Promise<ReconcileSummary[]> {
  const { client } = driver.temporal;
  const found: ReconcileSummary[] = [];
  const query = "WorkflowType = 'reconcile' AND ExecutionStatus = 'Completed'";
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    found.push(await client.workflow.getHandle(workflowId, runId).result());
  }
  return found;
}

const one = async (matches: (summary: ReconcileSummary) => boolean): Promise<ReconcileSummary> => {
  let found: ReconcileSummary | undefined;
  await waitFor(
    async () => {
      found = (await summaries()).find(matches);
      return found !== undefined;
    },
    async () => `no such run among ${JSON.stringify(await summaries(), undefined, 1)}`,
    30_000,
  );
  if (!found) throw new Error('no run');
  return found;
};

it('puts back an export that was turned off by hand, after a look at what RouterOS really says', async () => {
  const name = newName();
  await driver.csi.createVolume(createOf(name));
  await driver.csi.publishVolume(publishOf(name, 'node-a'));
  await typeCommand(driver.rds, `/disk set [find slot="${name}"] nvme-tcp-export=no`);
  const { done } = await one((summary) => summary.done.length > 0);
  expect(done).toEqual([{ action: 'restore', what: `${name}: its export was off, and is on again` }]);
  const [disk] = (await driver.rds.traces(name)).disks;
  expect(disk).toMatchObject({ 'nvme-tcp-export': 'yes' });
  await driver.csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
  await driver.csi.deleteVolume({ volumeId: name });
});

type Row = readonly (string | undefined)[];
const byPath = ([, one = '']: Row, [, other = '']: Row): number => one.localeCompare(other);

describe('what has no owner', () => {
  const folder = '/storage-pool/metal-csi';
  const fileOf = (volumeId: string) => `${folder}/${volumeId}.img`;

  it('is found as it is: files without disks, disks without files; copies and what is in use are neither', async () => {
    const [file, disk, live, copied] = [newName(), newName(), newName(), newName()];
    await driver.csi.createVolume(createOf(live));
    await driver.rds.addOrphan({ kind: 'file-without-disk', filePath: fileOf(file), sizeBytes: '4096' });
    const nqn = `nqn.2000-02.com.mikrotik:${disk}`;
    const comment = 'rds-csi/1 cluster=test-cluster claim=- nodes=';
    const values = { 'nvme-tcp-server-nqn': nqn, comment, 'nvme-tcp-export': 'no' };
    await driver.rds.addOrphan({ kind: 'disk-without-file', slot: disk, filePath: fileOf(disk), values });
    // A file that a disk in a slot of another name uses.
    await driver.rds.addOrphan({ kind: 'foreign-disk', slot: 'backup', filePath: fileOf(newName()) });
    await typeCommand(driver.rds, '/disk/btrfs/subvolume/add fs=storage-pool-fs name=metal-csi/data');
    await driver.rds.addOrphan({ kind: 'file-without-disk', filePath: `${folder}/data/${copied}.img` });
    await typeCommand(
      driver.rds,
      '/disk/btrfs/subvolume/add fs=storage-pool-fs name=metal-csi/monday parent=metal-csi/data read-only=yes',
    );
    const { orphans, lostVolumes } = await one(({ orphans }) => orphans.length >= 3);
    expect(orphans.map(({ kind, path, sizeBytes }) => [kind, path, sizeBytes]).toSorted(byPath)).toEqual(
      [
        ['disk-without-file', fileOf(disk), '0'],
        ['file', fileOf(file), '4096'],
        ['file', `${folder}/data/${copied}.img`, '1073741824'],
      ].toSorted(byPath),
    );
    expect(lostVolumes).toEqual([]);
    await waitFor(
      async () => (await driver.controller.log()).split('"event":"OrphanDetected"').length > 3,
      () => 'nobody was told',
    );
    await driver.csi.deleteVolume({ volumeId: live });
  });

  it('stops a run that cannot read a record, and says which', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    await typeCommand(driver.rds, `/disk set [find slot="${name}"] comment="rds-csi/1 nodes=who"`);
    const { stopped } = await one((summary) => summary.stopped !== undefined);
    expect(stopped).toContain(name);
    await typeCommand(driver.rds, `/disk set [find slot="${name}"] comment=""`);
    await driver.csi.deleteVolume({ volumeId: name });
  });
});

it('runs at once when the RDS is back', async () => {
  const before = (await summaries()).length;
  await driver.rds.stop();
  await waitFor(
    async () => (await driver.csi.probe({})).ready === false,
    () => 'the controller is ready without an RDS',
  );
  await driver.rds.start();
  await waitFor(
    async () => (await driver.controller.log()).includes('reconcile was triggered: the RDS is back'),
    () => 'not triggered',
  );
  await waitFor(
    async () => (await summaries()).length > before,
    () => 'no run',
  );
  const log = await driver.controller.log();
  expect(['RDSDisconnected', 'RDSReconnected'].filter((reason) => !log.includes(`"event":"${reason}"`))).toEqual([]);
});

it('goes on after Temporal has lost the Schedule', async () => {
  const handle = driver.temporal.client.schedule.getHandle(RECONCILE_SCHEDULE_ID);
  await handle.delete();
  await driver.startController({ config: { nodeCheck: 'off', reconcileInterval: '5s' } });
  await waitFor(
    async () => (await handle.describe()).info.numActionsTaken > 0,
    () => 'no Schedule',
  );
  expect((await handle.describe()).policies.overlap).toBe('BUFFER_ONE');
});
