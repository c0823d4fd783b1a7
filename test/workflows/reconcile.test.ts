import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import { NODE_ANSWER_LIMIT_MS } from '../../src/contract/limits';
import { LOOK_AGAIN_SIGNAL, type ReconcileInput, type ReconcileSummary } from '../../src/contract/reconcile';
import { CONTROLLER_TASK_QUEUE } from '../../src/contract/task-queues';
import { volumeWorkflowIdOf } from '../../src/contract/workflow-ids';
import { createOperations, type RunOperation } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import { parseRecord } from '../../src/domain/record';
import { parseBytes } from '../../src/domain/size';
import type { VolumeId } from '../../src/domain/volume-id';
import { NamespaceClaim } from '../../src/workers/namespace-claim';
import { keepReconcileSchedule } from '../../src/workers/reconcile-schedule';
import { createFakeCluster, type FakeCluster } from '../kit/fake-cluster';
import { createFakeDisks, type FakeDisks } from '../kit/fake-disks';
import { createOf, deleteOf, newVolumeId, patient, publishOf, unpublishOf } from '../kit/operations';
import { createTestNamespace, type TestNamespace } from '../kit/temporal';
import { silent, startTestNode, startTestWorker } from '../kit/worker';

const RULES: ReconcileInput = { clusterId: 'c1', graceSeconds: 1, orphanAgeSeconds: 1 };

let test: TestNamespace;
let worker: Awaited<ReturnType<typeof startTestWorker>>;
let run: RunOperation;
let disks: FakeDisks;
let cluster: FakeCluster;

// A run waits for a grace, and for nodes that do not answer.
jest.setTimeout(60_000);

/** What node-a says of the volumes that it is asked about; node-b is off. */
let held: () => Promise<readonly string[]>;
let node: { stop(): Promise<void> };

beforeEach(async () => {
  test = await createTestNamespace();
  held = () => Promise.resolve([]);
  node = await startTestNode(test, 'node-a', { findHeldVolumes: async () => ({ held: await held() }) });
  disks = createFakeDisks();
  cluster = createFakeCluster('node-a', 'node-b');
  worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
  run = createOperations(test.client);
});

afterEach(async () => {
  await node.stop();
  await worker.stop();
  await test.close();
});

/** A run of its own, as the Schedule starts one. */
async function start(rules: Partial<ReconcileInput> = {}) {
  return await test.client.workflow.start<(input: ReconcileInput) => Promise<ReconcileSummary>>('reconcile', {
    workflowId: `reconcile-${randomUUID()}`,
    taskQueue: CONTROLLER_TASK_QUEUE,
    args: [{ ...RULES, ...rules }],
  });
}

const reconcile = async (rules: Partial<ReconcileInput> = {}) => (await start(rules)).result();

/** A volume of this cluster that a node has, and that a PersistentVolume is about. */
async function attachedTo(nodeId: string): Promise<VolumeId> {
  const volumeId = newVolumeId();
  await run(createOf(volumeId), patient());
  await run(publishOf(volumeId, nodeId), patient());
  cluster.persistentVolumes.add(volumeId);
  return volumeId;
}

const holdersOf = (volumeId: VolumeId) => disks.volumes.get(volumeId)?.record?.attachments.map(({ nodeId }) => nodeId);
const reasons = () => cluster.events.map(({ reason }) => reason);

describe('attachments', () => {
  it('that a node is gone with are cleared after the grace, not before, and the volume moves', async () => {
    const volumeId = await attachedTo('node-a');
    cluster.attach(volumeId, 'node-a');
    cluster.nodes.delete('node-a');
    const begun = Date.now();
    const { done } = await reconcile();
    expect(Date.now() - begun).toBeGreaterThanOrEqual(1_000);
    const what = `${volumeId}: cleared from node-a (the node is gone from the cluster)`;
    expect(done).toEqual([{ action: 'clear', what }]);
    expect(holdersOf(volumeId)).toEqual([]);
    expect(cluster.events).toEqual([
      expect.objectContaining({ reason: 'StaleAttachmentCleared', type: 'Warning', on: { volumeId } }),
    ]);
    await run(publishOf(volumeId, 'node-b'), patient());
    expect(holdersOf(volumeId)).toEqual(['node-b']);
  });

  it('that no VolumeAttachment backs are cleared; those that one backs are not', async () => {
    const [forgotten, wanted] = [await attachedTo('node-a'), await attachedTo('node-a')];
    cluster.attach(wanted, 'node-a');
    await reconcile();
    expect([holdersOf(forgotten), holdersOf(wanted)]).toEqual([[], ['node-a']]);
  });

  it('that are backed again within the grace stay', async () => {
    const volumeId = await attachedTo('node-a');
    const running = await start({ graceSeconds: 2 });
    while (!disks.acts.includes('survey')) await new Promise(setImmediate);
    cluster.attach(volumeId, 'node-a');
    await running.signal(LOOK_AGAIN_SIGNAL);
    expect(await running.result()).toMatchObject({ done: [], left: [] });
    expect(holdersOf(volumeId)).toEqual(['node-a']);
  });

  it('that turn up while others wait have a grace of their own, and are cleared by the same run', async () => {
    const first = await attachedTo('node-a');
    const running = await start({ graceSeconds: 2 });
    while (!disks.acts.includes('survey')) await new Promise(setImmediate);
    const second = await attachedTo('node-b');
    await running.signal(LOOK_AGAIN_SIGNAL);
    const { done } = await running.result();
    expect(done).toHaveLength(2);
    expect([holdersOf(first), holdersOf(second)]).toEqual([[], []]);
  });

  it('stay where the node itself answers that it has the volume, and are told', async () => {
    const [used, free] = [await attachedTo('node-a'), await attachedTo('node-a')];
    cluster.nodes.delete('node-a');
    held = () => Promise.resolve([used]);
    const { done, left } = await reconcile();
    expect([holdersOf(used), holdersOf(free)]).toEqual([['node-a'], []]);
    expect(done).toHaveLength(1);
    expect(left).toEqual([`${used}: not cleared from node-a, the node answers that it has it connected`]);
    expect(reasons()).toContain('AttachmentInUse');
  });

  it('stay where the node answers that it cannot tell', async () => {
    const volumeId = await attachedTo('node-a');
    held = () => Promise.reject(new Error('no sysfs'));
    const { left } = await reconcile();
    expect(holdersOf(volumeId)).toEqual(['node-a']);
    expect(left).toEqual([`${volumeId}: not cleared from node-a, the node cannot tell: no sysfs`]);
  });

  it('stay where the node says so after an outage of the RDS, whatever it said before', async () => {
    const volumeId = await attachedTo('node-a');
    let freshMs = 0;
    held = () => {
      freshMs ||= Date.now() + 2 * NODE_ANSWER_LIMIT_MS;
      return Promise.resolve([]);
    };
    // The look at the end of the grace waits for the RDS; meanwhile the node is back, and has the volume.
    disks.trouble = (act) => {
      if (act !== 'survey' || freshMs === 0) return;
      held = () => Promise.resolve([volumeId]);
      if (Date.now() <= freshMs) throw new Fault('ArrayUnreachable', 'the RDS cannot be reached');
    };
    const { done, left } = await reconcile();
    expect([done, left]).toEqual([
      [],
      [`${volumeId}: not cleared from node-a, the node answers that it has it connected`],
    ]);
    expect(holdersOf(volumeId)).toEqual(['node-a']);
  });

  it('of another cluster are none of its business', async () => {
    const volumeId = await attachedTo('node-a');
    const volume = disks.volumes.get(volumeId);
    if (!volume) throw new Error('no volume');
    const record = parseRecord(volume.comment.replace('cluster=c1', 'cluster=c2'));
    disks.volumes.set(volumeId, { ...volume, record });
    expect(await reconcile()).toMatchObject({ done: [], left: [], orphans: [], seen: { volumes: 0 } });
    expect(holdersOf(volumeId)).toEqual(['node-a']);
  });

  it('are looked at once more under the volume’s lock: what changed meanwhile stays', async () => {
    const volumeId = await attachedTo('node-a');
    // Backed from the moment that the repair reads the record on.
    disks.trouble = (act) => {
      if (act === 'find') cluster.attach(volumeId, 'node-a');
    };
    const { left } = await reconcile();
    expect(left).toEqual([`${volumeId}: node-a may have it after all`]);
    expect(holdersOf(volumeId)).toEqual(['node-a']);
  });
});

describe('a volume that somebody else works on', () => {
  it('is left to the next run', async () => {
    const volumeId = await attachedTo('node-a');
    const released = Promise.withResolvers<void>();
    disks.trouble = (act) => (act === 'detach' ? released.promise : undefined);
    const unpublished = run(unpublishOf(volumeId, 'node-a'), patient());
    const { left } = await reconcile();
    expect(left).toEqual([`${volumeId}: another operation of it is running`]);
    released.resolve();
    await unpublished;
    expect(holdersOf(volumeId)).toEqual([]);
  });

  it('is given up for whoever calls', async () => {
    const volumeId = await attachedTo('node-a');
    disks.trouble = (act) => {
      if (act === 'find') throw new Fault('ArrayUnreachable', 'the RDS cannot be reached');
    };
    const running = await start();
    const repair = test.client.workflow.getHandle(volumeWorkflowIdOf(volumeId));
    while ((await repair.describe()).type !== 'repairVolume') await new Promise(setImmediate);
    await run(unpublishOf(volumeId, 'node-a'), patient());
    expect((await running.result()).done).toEqual([]);
    expect(holdersOf(volumeId)).toEqual([]);
  });
});

it('puts an export back that should be there', async () => {
  const volumeId = await attachedTo('node-a');
  cluster.attach(volumeId, 'node-a');
  const volume = disks.volumes.get(volumeId);
  if (!volume) throw new Error('no volume');
  disks.volumes.set(volumeId, { ...volume, exported: false });
  const { done } = await reconcile();
  expect(done).toEqual([{ action: 'restore', what: `${volumeId}: its export was off, and is on again` }]);
  expect(disks.volumes.get(volumeId)?.exported).toBe(true);
});

it('touches nothing while one record cannot be read, and says which', async () => {
  const volumeId = await attachedTo('node-a');
  const damaged = await attachedTo('node-a');
  const volume = disks.volumes.get(damaged);
  if (!volume) throw new Error('no volume');
  disks.volumes.set(damaged, { ...volume, record: undefined, recordProblem: `${damaged}: its record is damaged` });
  const { stopped, done } = await reconcile();
  expect([stopped, done]).toEqual([expect.stringContaining(`${damaged}: its record is damaged`), []]);
  expect(holdersOf(volumeId)).toEqual(['node-a']);
  expect(reasons()).toEqual(['ReconcileStopped']);
});

it('tells that a PersistentVolume has lost its disk', async () => {
  cluster.persistentVolumes.add('pvc-lost');
  const { lostVolumes } = await reconcile();
  expect(lostVolumes).toEqual([{ name: 'pvc-lost', volumeId: 'pvc-lost', why: 'no-disk' }]);
  expect(cluster.events).toMatchObject([{ reason: 'VolumeLost', on: { kind: 'PersistentVolume', name: 'pvc-lost' } }]);
});

describe('orphans', () => {
  /** All runs are the Schedule's, one after the other: each begins with what the one before has ended with. */
  async function withSchedule(
    rules: Partial<ReconcileInput>,
    act: (next: () => Promise<ReconcileSummary>) => Promise<void>,
  ) {
    const stop = new AbortController();
    const schedule = keepReconcileSchedule({
      client: test.client,
      input: { ...RULES, ...rules },
      intervalSeconds: 3_600,
      claim: new NamespaceClaim(test.namespace),
      logger: silent,
      signal: stop.signal,
    });
    let seen = 0;
    const next = async (): Promise<ReconcileSummary> => {
      if (seen > 0) schedule.trigger('the test asks');
      seen += 1;
      while (worker.passes.length < seen) await new Promise(setImmediate);
      const summary = worker.passes.at(-1);
      if (!summary) throw new Error('no run');
      return summary;
    };
    try {
      await act(next);
    } finally {
      stop.abort();
    }
  }

  const orphan = async (): Promise<VolumeId> => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    return volumeId;
  };

  it('have the age that all runs together have seen, and are told when they are old enough', async () => {
    const volumeId = await orphan();
    await withSchedule({ orphanAgeSeconds: 1 }, async (next) => {
      const first = await next();
      expect(first.orphans).toMatchObject([{ kind: 'disk', volumeId }]);
      expect(reasons()).toEqual([]);
      const sinceMs = first.orphans[0]?.sinceMs ?? 0;
      while (Date.now() < sinceMs + 1_000) await new Promise(setImmediate);
      expect((await next()).orphans).toEqual(first.orphans);
      expect(reasons()).toEqual(['OrphanDetected']);
    });
    expect(disks.volumes.has(volumeId)).toBe(true);
  });

  it('are deleted only where that is wished, when they are old enough, and are this cluster’s', async () => {
    const [known, volumeId] = [await orphan(), await orphan()];
    cluster.persistentVolumes.add(known);
    const stray = newVolumeId();
    disks.strayFiles = [{ volumeId: stray, path: `/pool/${stray}.img`, sizeBytes: parseBytes(5n, 'size') }];
    await withSchedule({ deleteOrphansAfterSeconds: 1 }, async (next) => {
      const { orphans } = await next();
      expect(orphans).toHaveLength(2);
      while (Date.now() < (orphans[0]?.sinceMs ?? 0) + 1_000) await new Promise(setImmediate);
      const { done, left } = await next();
      expect(done).toEqual([{ action: 'delete', what: expect.stringContaining(volumeId) }]);
      expect(left).toEqual([]);
    });
    expect([...disks.volumes.keys()]).toEqual([known]);
    expect(reasons()).toContain('OrphanCleaned');
  });

  it('stay where the cluster shows no PersistentVolume at all', async () => {
    const volumeId = await orphan();
    const { left } = await reconcile({ orphanAgeSeconds: 0, deleteOrphansAfterSeconds: 0 });
    expect(left).toEqual([`${volumeId}: not deleted, the cluster shows no PersistentVolume at all`]);
    expect(disks.volumes.has(volumeId)).toBe(true);
  });

  it('stay while the PersistentVolumes of a cluster that had none come back, however long it had none', async () => {
    const [first, second] = [await orphan(), await orphan()];
    await withSchedule({ deleteOrphansAfterSeconds: 3 }, async (next) => {
      const { orphans } = await next();
      while (Date.now() < (orphans[0]?.sinceMs ?? 0) + 3_000) await new Promise(setImmediate);
      await next();
      cluster.persistentVolumes.add(first);
      const { done, left, emptyMs = 0 } = await next();
      expect(done).toEqual([]);
      expect(left).toEqual([expect.stringContaining(`${second}: not deleted, the cluster showed no PersistentVolume`)]);
      expect(disks.volumes.has(second)).toBe(true);
      while (Date.now() < emptyMs + 3_000) await new Promise(setImmediate);
      expect((await next()).done).toMatchObject([{ action: 'delete' }]);
    });
  });

  it('stay where a PersistentVolume turns up before the lock is had', async () => {
    cluster.persistentVolumes.add(await orphan());
    const volumeId = await orphan();
    // The list that the run is given does not have it; the one that the repair asks for does.
    let asked = 0;
    cluster.trouble = (call) => {
      if (call === 'listVolumes') asked += 1;
      if (asked === 2) cluster.persistentVolumes.add(volumeId);
    };
    const { left, done } = await reconcile({ orphanAgeSeconds: 0, deleteOrphansAfterSeconds: 0 });
    expect([done, left]).toEqual([[], [`${volumeId}: a PersistentVolume is about it after all`]]);
  });

  it('that are attached after all are not deleted', async () => {
    cluster.persistentVolumes.add(await orphan());
    const volumeId = await orphan();
    await run(publishOf(volumeId, 'node-a'), patient());
    cluster.attach(volumeId, 'node-a');
    const { left } = await reconcile({ orphanAgeSeconds: 0, deleteOrphansAfterSeconds: 0 });
    expect(left).toEqual([`${volumeId}: ${volumeId} is attached to node-a: not deleted`]);
    cluster.persistentVolumes.add(volumeId);
    await run(unpublishOf(volumeId, 'node-a'), patient());
    await run(deleteOf(volumeId), patient());
  });
});
