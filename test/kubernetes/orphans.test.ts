import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ReconcileSummary } from '../../src/contract/reconcile';
import { createClusterVolumes } from '../kit/cluster-volumes';
import { type Controller, type Driver, startDriver, waitFor } from '../kit/driver';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createNode, createVolume } from '../kit/kubernetes-objects';
import { createOf, newName, publishOf } from '../kit/requests';
import { typeCommand } from '../kit/routeros-prompt';
import { createTestNamespace, startOwnTemporal, type TestNamespace } from '../kit/temporal';

const FOLDER = '/storage-pool/metal-csi';

let kubernetes: Kubernetes;

const configOf = ({ kubeconfig }: Kubernetes) => ({
  kubernetes: 'on',
  kubeconfig,
  nodeCheck: 'kubernetes',
  reconcileInterval: '5s',
  reconcileGrace: '2s',
  orphanAge: '1s',
});

(hasKubernetes ? describe : describe.skip)('beside everything else on the RDS', () => {
  beforeAll(async () => {
    kubernetes = await startKubernetes();
    for (const name of ['node-a', 'node-b']) await createNode(kubernetes.client, name);
  });

  afterAll(async () => {
    await kubernetes?.stop();
  });

  describe('E2E-05: orphans, with their deletion on', () => {
    let driver: Driver;
    let others: TestNamespace;
    /** Another cluster's, on the same RDS. */
    let other: Controller;
    let volumes: ReturnType<typeof createClusterVolumes>;

    beforeAll(async () => {
      driver = await startDriver({ config: { ...configOf(kubernetes), deleteOrphansAfter: '3s' } });
      others = await createTestNamespace();
      other = await driver.startController({
        config: { clusterId: 'other-cluster', temporalNamespace: others.namespace, nodeCheck: 'off' },
      });
      volumes = createClusterVolumes(kubernetes, driver.csi);
    });

    afterAll(async () => {
      await driver?.stop();
      await others?.close();
    });

    const exists = async (volumeId: string) => (await driver.rds.traces(volumeId)).disks.length > 0;
    const gone = (volumeId: string): Promise<void> =>
      waitFor(
        async () => !(await exists(volumeId)),
        async () =>
          `${volumeId} is still there:\n${JSON.stringify((await summaries(driver)).slice(0, 2), undefined, 1)}`,
        40_000,
      );

    it('are found, each kind; only this cluster’s own disks are deleted, and nothing else is touched', async () => {
      const { rds } = driver;
      const known = await volumes.provision();
      const attached = await volumes.provision();
      await volumes.attach(attached, 'node-a');
      const [orphan, foreign, without, file, broken] = [newName(), newName(), newName(), newName(), newName()];
      await driver.csi.createVolume(createOf(orphan));
      await other.csi.createVolume(createOf(foreign));
      const of = (volumeId: string, comment: string) => ({
        'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${volumeId}`,
        'nvme-tcp-export': 'yes',
        comment,
      });
      const place = (kind: 'foreign-disk' | 'disk-without-file', slot: string, comment: string) =>
        rds.addOrphan({ kind, slot, filePath: `${FOLDER}/${slot}.img`, values: of(slot, comment) });
      await place('foreign-disk', without, 'made by hand');
      await place('disk-without-file', broken, 'rds-csi/1 cluster=test-cluster claim=shop/data nodes=');
      await rds.addOrphan({ kind: 'file-without-disk', filePath: `${FOLDER}/${file}.img` });
      await typeCommand(rds, '/disk/btrfs/subvolume/add fs=storage-pool-fs name=metal-csi/snap read-only=yes');
      await rds.addOrphan({ kind: 'file-without-disk', filePath: `${FOLDER}/snap/${known}.img` });

      await gone(orphan);
      await gone(broken);
      // Two whole runs more: whatever they would do wrong, they have done then.
      const before = (await summaries(driver)).length;
      await waitFor(
        async () => (await summaries(driver)).length > before + 1,
        () => 'no more runs',
        40_000,
      );
      for (const volumeId of [known, attached, foreign, without])
        expect([volumeId, await exists(volumeId)]).toEqual([volumeId, true]);
      expect((await rds.traces(file)).files).toHaveLength(1);
      const [latest] = await summaries(driver);
      expect(latest?.orphans.map(({ kind, volumeId }) => [kind, volumeId])).toEqual([['file', file]]);
      for (const volumeId of [known, attached]) await volumes.end(volumeId);
      await other.csi.deleteVolume({ volumeId: foreign });
    });

    it('that come back from a backup as PersistentVolumes in time are none any more', async () => {
      const [known, restored] = [await volumes.provision(), newName()];
      await driver.csi.createVolume(createOf(restored));
      await createVolume(kubernetes.client, { name: restored, volumeId: restored });
      const before = (await summaries(driver)).length;
      await waitFor(
        async () => (await summaries(driver)).length > before + 1,
        () => 'no more runs',
        40_000,
      );
      expect(await exists(restored)).toBe(true);
      for (const volumeId of [known, restored]) await volumes.end(volumeId);
    });

    it('are looked for beside volumes that are being made: none of those is lost', async () => {
      const keeper = await volumes.provision();
      const before = (await summaries(driver)).length;
      const made: string[] = [];
      while ((await summaries(driver)).length < before + 2) made.push(await volumes.provision());
      for (const volumeId of made) expect([volumeId, await exists(volumeId)]).toEqual([volumeId, true]);
      for (const volumeId of [...made, keeper]) await volumes.end(volumeId);
    });

    it('E2E-08: nothing is left behind', async () => {
      const { disks, files } = await driver.rds.state();
      const ours = disks.filter(({ values }) => /cluster=(test|other)-cluster/.test(String(values.comment)));
      expect(ours).toEqual([]);
      // What nobody but a person may take away: a disk and a file without a record, and a copy in a snapshot.
      expect(files.filter(({ name }) => name.includes('pvc-')).length).toBe(3);
      const { items } = await kubernetes.client.core.listPersistentVolume();
      expect(items).toEqual([]);
    });
  });

  it('tells that a PersistentVolume has lost its disk, on the PersistentVolume', async () => {
    const driver = await startDriver({ config: configOf(kubernetes) });
    const volumes = createClusterVolumes(kubernetes, driver.csi);
    const volumeId = await volumes.provision();
    await typeCommand(driver.rds, `/disk remove [find slot="${volumeId}"]`);
    await waitFor(
      async () => {
        const { items } = await kubernetes.client.core.listEventForAllNamespaces();
        return items.some(({ reason, involvedObject }) => reason === 'VolumeLost' && involvedObject.name === volumeId);
      },
      () => 'nobody was told',
    );
    const lost = { name: volumeId, volumeId, why: 'no-disk' };
    const told = async () => (await summaries(driver)).flatMap(({ lostVolumes }) => lostVolumes);
    await waitFor(
      async () => (await told()).some((each) => each.volumeId === volumeId),
      () => 'no summary has it',
    );
    expect(await told()).toContainEqual(lost);
    await volumes.end(volumeId);
    await driver.stop();
  });

  it('attachments outlive the loss of Temporal’s whole database, and a restart of everything', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-lost-temporal-'));
    const dbFilename = path.join(folder, 'temporal.db');
    let temporal = await startOwnTemporal({ dbFilename });
    const config = { ...configOf(kubernetes), temporalAddress: temporal.address, temporalNamespace: 'default' };
    const driver = await startDriver({ config });
    const volumes = createClusterVolumes(kubernetes, driver.csi);
    const [held, stale] = [await volumes.provision(), await volumes.provision()];
    await volumes.attach(held, 'node-a');
    await volumes.attach(stale, 'node-a');
    await volumes.forget(stale, 'node-a');
    await driver.controller.program.kill();
    await temporal.stop();
    for (const suffix of ['', '-shm', '-wal']) rmSync(`${dbFilename}${suffix}`, { force: true });
    await driver.rds.stop();
    temporal = await startOwnTemporal({ dbFilename, port: Number(temporal.address.split(':')[1]) });
    await driver.rds.start();
    const { csi } = await driver.startController({ config });
    const comment = async (volumeId: string) => String((await driver.rds.traces(volumeId)).disks[0]?.comment);
    await waitFor(
      async () => (await comment(stale)).endsWith('nodes='),
      async () => `${stale} is still attached: ${await comment(stale)}`,
      60_000,
    );
    expect(await comment(held)).toContain('nodes=node-a:');
    await expect(csi.publishVolume(publishOf(held, 'node-b'))).rejects.toThrow('node-a');
    for (const volumeId of [held, stale]) await createClusterVolumes(kubernetes, csi).end(volumeId);
    await driver.stop();
    await temporal.stop();
    rmSync(folder, { recursive: true });
  });
});

/** The summaries of all runs that have ended, the newest first. */
async function summaries({ temporal: { client } }: Driver): Promise<ReconcileSummary[]> {
  const found: ReconcileSummary[] = [];
  const query = "WorkflowType = 'reconcile' AND ExecutionStatus = 'Completed'";
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    found.push(await client.workflow.getHandle(workflowId, runId).result());
  }
  return found;
}
