import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClusterVolumes } from '../kit/cluster-volumes';
import { type Driver, errorOf, startDriver, waitFor, waitUntilReady } from '../kit/driver';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createNode, setReady } from '../kit/kubernetes-objects';
import { type Metrics, metricsOnFreePort } from '../kit/metrics';
import { isRoot } from '../kit/pod';
import { createOf, mountOf, newName, publishOf } from '../kit/requests';

const GRACE_MS = 5_000;
const CONTEXT = { nvmeAddress: '127.0.0.1', nvmePort: '4420', volumePath: '/storage-pool/metal-csi' };

let kubernetes: Kubernetes;
let driver: Driver;
let metrics: Metrics;
let volumes: ReturnType<typeof createClusterVolumes>;

const config = () => ({
  kubernetes: 'on',
  kubeconfig: kubernetes.kubeconfig,
  nodeCheck: 'kubernetes',
  podName: 'controller-0',
  podNamespace: 'default',
  // Long, so that whatever happens within a test was triggered.
  reconcileInterval: '1h',
  reconcileGrace: `${GRACE_MS / 1_000}s`,
});

/** The nodes that the record on the RDS names. */
async function holdersOf(volumeId: string, { rds } = driver): Promise<string[]> {
  const [disk] = (await rds.traces(volumeId)).disks;
  const [, nodes = ''] = / nodes=(.*)$/.exec(String(disk?.comment)) ?? [];
  return nodes
    .split(',')
    .map((node) => node.split(':')[0] ?? '')
    .filter((node) => node !== '');
}

async function eventsOf(reason: string): Promise<readonly { readonly message?: string; readonly count?: number }[]> {
  const { items } = await kubernetes.client.core.listEventForAllNamespaces();
  return items.filter((event) => event.reason === reason);
}

async function runsOfReconcile(): Promise<number> {
  let runs = 0;
  for await (const _run of driver.temporal.client.workflow.list({ query: "WorkflowType = 'reconcile'" })) runs += 1;
  return runs;
}

const cleared = (volumeId: string, limitMs: number, by = driver): Promise<void> =>
  waitFor(
    async () => (await holdersOf(volumeId, by)).length === 0,
    async () => `${volumeId} is still held by ${(await holdersOf(volumeId, by)).join()}:\n${await by.controller.log()}`,
    limitMs,
  );

(hasKubernetes ? describe : describe.skip)('nothing gets stuck', () => {
  beforeAll(async () => {
    kubernetes = await startKubernetes();
    await kubernetes.client.core.createNamespacedPod({
      namespace: 'default',
      body: { metadata: { name: 'controller-0' }, spec: { containers: [{ name: 'c', image: 'none' }] } },
    });
    for (const name of ['node-a', 'node-b', 'node-c']) await createNode(kubernetes.client, name);
    metrics = await metricsOnFreePort();
    driver = await startDriver({ config: { ...config(), httpAddress: metrics.httpAddress } });
    volumes = createClusterVolumes(kubernetes, driver.csi);
  });

  afterAll(async () => {
    await Promise.all([driver?.stop(), kubernetes?.stop()]);
  });

  it('RESIL-01: SSH failures fail what reads meanwhile, and are over within 15 s of their end', async () => {
    await driver.rds.setConnections({ mode: 'reset', existing: 'reset' });
    await waitFor(
      async () => (await driver.csi.probe({})).ready === false,
      () => 'ready without an RDS',
    );
    for (const call of [driver.csi.listVolumes({}), driver.csi.getCapacity({})]) {
      expect((await errorOf(call)).code).toBe(status.UNAVAILABLE);
    }
    await driver.rds.setConnections({ mode: 'accept' });
    const begun = Date.now();
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    const { entries } = await driver.csi.listVolumes({});
    expect(entries.map(({ volume }) => volume?.volumeId)).toEqual([name]);
    await driver.csi.deleteVolume({ volumeId: name });
    expect(Date.now() - begun).toBeLessThan(15_000);
  });

  it('RESIL-02: the RDS stops and starts again: what was running completes, all volumes are there, and it is told', async () => {
    const before = await volumes.provision();
    const failures = (await metrics.value('rds_csi_rds_reconnect_total{status="failure"}')) ?? 0;
    await driver.rds.stop();
    await waitFor(
      async () => (await driver.csi.probe({})).ready === false,
      () => 'ready without an RDS',
    );
    expect(await metrics.value('rds_csi_rds_connection_state{address="127.0.0.1"}')).toBe(0);
    const name = newName();
    expect((await errorOf(driver.csi.createVolume(createOf(name), 3_000))).code).toBe(status.ABORTED);
    expect((await errorOf(driver.csi.listVolumes({}))).code).toBe(status.UNAVAILABLE);
    // 1, 2 and 4 s, each with up to a tenth more: three attempts take 7 s at least, and no more than one comes in the next 4.
    await waitFor(
      async () => ((await metrics.value('rds_csi_rds_reconnect_total{status="failure"}')) ?? 0) >= failures + 3,
      () => 'no attempts to reconnect',
    );
    await driver.rds.start();
    await waitFor(
      async () => (await driver.rds.traces(name)).disks.length === 1,
      () => 'the create that waited did not complete',
    );
    await waitUntilReady(driver.controller);
    expect(await metrics.value('rds_csi_rds_connection_state{address="127.0.0.1"}')).toBe(1);
    expect(await metrics.value('rds_csi_rds_reconnect_total{status="success"}')).toBeGreaterThan(0);
    const { entries } = await driver.csi.listVolumes({});
    expect(new Set(entries.map(({ volume }) => volume?.volumeId))).toEqual(new Set([before, name]));
    await waitFor(
      async () => (await eventsOf('RDSReconnected')).length > 0 && (await eventsOf('RDSDisconnected')).length > 0,
      () => 'nobody was told',
    );
    await driver.csi.deleteVolume({ volumeId: name });
    await volumes.end(before);
  });

  it('RESIL-03: a Node is deleted: its attachment is cleared within grace and 10 s, and the volume moves', async () => {
    const volumeId = await volumes.provision();
    await volumes.attach(volumeId, 'node-a');
    const begun = Date.now();
    await kubernetes.client.core.deleteNode({ name: 'node-a' });
    await cleared(volumeId, GRACE_MS + 10_000);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(GRACE_MS);
    await waitFor(
      async () => (await eventsOf('StaleAttachmentCleared')).some(({ message }) => message?.includes(volumeId)),
      () => 'nobody was told',
    );
    await volumes.attach(volumeId, 'node-b');
    expect(await holdersOf(volumeId)).toEqual(['node-b']);
    await volumes.end(volumeId);
    await createNode(kubernetes.client, 'node-a');
  });

  describe('the eight truths', () => {
    it('1. a controller that starts finds what went stale without it', async () => {
      const own = await startDriver({ config: config() });
      const ofOwn = createClusterVolumes(kubernetes, own.csi);
      const volumeId = await ofOwn.provision();
      await ofOwn.attach(volumeId, 'node-a');
      await own.controller.program.stop();
      await ofOwn.forget(volumeId, 'node-a');
      const { csi } = await own.startController({ config: config() });
      await cleared(volumeId, GRACE_MS + 30_000, own);
      expect(await holdersOf(volumeId, own)).toEqual([]);
      await createClusterVolumes(kubernetes, csi).end(volumeId);
      await own.stop();
    });

    it('2. what is stale is cleared after the grace only, and not at all if it is wanted again', async () => {
      const [stale, wanted] = [await volumes.provision(), await volumes.provision()];
      for (const volumeId of [stale, wanted]) await volumes.attach(volumeId, 'node-a');
      for (const volumeId of [stale, wanted]) await volumes.forget(volumeId, 'node-a');
      const begun = Date.now();
      await setReady(kubernetes.client, 'node-c', 'False');
      await volumes.attach(wanted, 'node-a');
      await cleared(stale, GRACE_MS + 10_000);
      expect(Date.now() - begun).toBeGreaterThanOrEqual(GRACE_MS);
      expect(await holdersOf(wanted)).toEqual(['node-a']);
      for (const volumeId of [stale, wanted]) await volumes.end(volumeId);
      await setReady(kubernetes.client, 'node-c', 'True');
    });

    it('3. a node that turns NotReady triggers once, however many events follow, and loses nothing', async () => {
      const volumeId = await volumes.provision();
      await volumes.attach(volumeId, 'node-b');
      const before = await runsOfReconcile();
      for (const ready of ['False', 'Unknown', 'False', 'Unknown'] as const) {
        await setReady(kubernetes.client, 'node-b', ready);
      }
      await waitFor(
        async () => (await runsOfReconcile()) > before,
        () => 'not triggered',
      );
      await waitUntilIdle();
      expect(await runsOfReconcile()).toBe(before + 1);
      expect(await holdersOf(volumeId)).toEqual(['node-b']);
      await setReady(kubernetes.client, 'node-b', 'True');
      await volumes.end(volumeId);
    });

    it('4. the RDS is tried again after 1, 2 and 4 s', async () => {
      const failures = async () => (await metrics.value('rds_csi_rds_reconnect_total{status="failure"}')) ?? 0;
      await down();
      const first = await failures();
      const begun = Date.now();
      const attempts: number[] = [];
      await waitFor(
        async () => {
          if ((await failures()) > first + attempts.length) attempts.push(Date.now() - begun);
          return attempts.length === 3;
        },
        () => `attempts after ${attempts.join()} ms`,
      );
      // Each wait is twice the one before, and a tenth more at most: what is seen here comes a little later.
      const [one = 0, two = 0, three = 0] = attempts;
      expect(two - one).toBeGreaterThan(1_800);
      expect(three - two).toBeGreaterThan(3_800);
      await up();
    });

    it('5. Probe says at once that the RDS is away, and that it is back; a node’s does not depend on it', async () => {
      const node = isRoot ? await driver.startNode('node-b') : undefined;
      const begun = Date.now();
      await down();
      expect(Date.now() - begun).toBeLessThan(2_000);
      if (node) expect((await node.csi.probe({})).ready).toBe(true);
      await up();
      expect((await driver.csi.probe({})).ready).toBe(true);
      await node?.program.stop();
    });

    it('6. when the RDS is back, it is held against the cluster', async () => {
      const before = await runsOfReconcile();
      await down();
      await up();
      await waitFor(
        async () => (await runsOfReconcile()) > before,
        () => 'no run after the RDS came back',
      );
      await waitUntilIdle();
      expect(await runsOfReconcile()).toBe(before + 1);
    });

    it('7. the events stand where people look', async () => {
      const { core } = kubernetes.client;
      const volumeId = await volumes.provision();
      await volumes.attach(volumeId, 'node-b');
      await errorOf(driver.csi.publishVolume(publishOf(volumeId, 'node-c')));
      await driver.csi.unpublishVolume({ volumeId, nodeId: 'node-b' });
      const seen = async () => {
        const { items } = await core.listEventForAllNamespaces();
        return items.map(({ reason, involvedObject: { kind, name } }) => `${reason} ${kind} ${name}`);
      };
      const expected = [
        ...['VolumeAttached', 'VolumeDetached', 'AttachmentConflict'].map(
          (reason) => `${reason} PersistentVolume ${volumeId}`,
        ),
        ...['StartupReconciliation', 'RDSDisconnected', 'RDSReconnected'].map((reason) => `${reason} Pod controller-0`),
      ];
      await waitFor(
        async () => {
          const now = await seen();
          return expected.every((event) => now.includes(event));
        },
        async () => (await seen()).join('\n'),
      );
      expect(await seen()).toEqual(expect.arrayContaining(expected));
      await volumes.end(volumeId);
    });

    it('8. the metrics tell what was done', async () => {
      const volumeId = await volumes.provision();
      await volumes.attach(volumeId, 'node-a');
      const samples = [
        'rds_csi_attachment_reconcile_total{action="clear"}',
        'rds_csi_attachment_stale_cleared_total',
        'rds_csi_reconcile_duration_seconds_count{result="complete"}',
        'rds_csi_events_posted_total{reason="StaleAttachmentCleared"}',
      ];
      const values = () => Promise.all(samples.map(async (sample) => (await metrics.value(sample)) ?? 0));
      const before = await values();
      await kubernetes.client.core.deleteNode({ name: 'node-a' });
      await cleared(volumeId, GRACE_MS + 10_000);
      await waitFor(
        async () => (await values()).every((value, index) => value > (before[index] ?? 0)),
        async () => `${samples.join()} were ${before.join()}, and are ${(await values()).join()}`,
      );
      expect(await metrics.value('rds_csi_attachments')).toBe(1);
      await volumes.end(volumeId);
      await createNode(kubernetes.client, 'node-a');
    });
  });

  (isRoot ? it : it.skip)('a node that answers that it has a volume keeps it until it has let go', async () => {
    const volumeId = await volumes.provision();
    await volumes.attach(volumeId, 'node-a');
    const node = await driver.startNode('node-a');
    const { volume } = await driver.csi.getVolume({ volumeId });
    const place = { volumeId, stagingTargetPath: `${node.kubeletDir}/staging` };
    const volumeContext = { ...volume?.volumeContext, nqn: `nqn.2000-02.com.mikrotik:${volumeId}` };
    await node.csi.stage({ ...place, volumeCapability: mountOf(), volumeContext: { ...CONTEXT, ...volumeContext } });
    await volumes.forget(volumeId, 'node-a');
    await setReady(kubernetes.client, 'node-c', 'False');
    await waitFor(
      async () => (await eventsOf('AttachmentInUse')).some(({ message }) => message?.includes(volumeId)),
      () => 'nobody was told',
    );
    await waitUntilIdle();
    expect(await holdersOf(volumeId)).toEqual(['node-a']);
    await node.csi.unstage(place);
    await kubernetes.client.core.deleteNode({ name: 'node-c' });
    await cleared(volumeId, GRACE_MS + 10_000);
    await node.program.stop();
    await createNode(kubernetes.client, 'node-c');
    await volumes.end(volumeId);
  });

  it('a publish to another node does not wait for reconcile where the holder’s Node is gone', async () => {
    const volumeId = await volumes.provision();
    await volumes.attach(volumeId, 'node-a');
    const refused = await errorOf(driver.csi.publishVolume(publishOf(volumeId, 'node-b')));
    expect([status[refused.code], refused.details]).toEqual(['FAILED_PRECONDITION', expect.stringContaining('node-a')]);
    await kubernetes.client.core.deleteNode({ name: 'node-a' });
    await driver.csi.publishVolume(publishOf(volumeId, 'node-b'));
    expect(await holdersOf(volumeId)).toEqual(['node-b']);
    await volumes.end(volumeId);
    await createNode(kubernetes.client, 'node-a');
  });

  async function down(): Promise<void> {
    await driver.rds.stop();
    await waitFor(
      async () => (await driver.csi.probe({})).ready === false,
      () => 'ready without an RDS',
      2_000,
    );
  }

  async function up(): Promise<void> {
    await driver.rds.start();
    await waitUntilReady(driver.controller);
  }

  async function waitUntilIdle(): Promise<void> {
    const { client } = driver.temporal;
    await waitFor(
      async () => {
        const query = "WorkflowType = 'reconcile' AND ExecutionStatus = 'Running'";
        const { count } = await client.workflow.count(query);
        return count === 0;
      },
      () => 'reconcile does not end',
      60_000,
    );
  }
});
