import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { Worker } from '@temporalio/worker';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import type { ConnectResult } from '../../src/contract/activities';
import { applicationFailureOf } from '../../src/contract/failure';
import { RECONCILE_WORKFLOW_ID, type ReconcileInput, type ReconcileSummary } from '../../src/contract/reconcile';
import { CONTROLLER_TASK_QUEUE } from '../../src/contract/task-queues';
import { migrationWorkflowIdOf, nodeWorkflowIdOf, volumeWorkflowIdOf } from '../../src/contract/workflow-ids';
import { createOperations } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import { parseNodeId } from '../../src/domain/nqn';
import { createFakeCluster } from '../kit/fake-cluster';
import { createFakeDisks } from '../kit/fake-disks';
import {
  createOf,
  deleteOf,
  expandNodeOf,
  expandOf,
  newVolumeId,
  patient,
  publishOf,
  publishSharedOf,
  stageOf,
  unpublishOf,
  unstageOf,
} from '../kit/operations';
import { createTestNamespace, quietTemporal, type TestNamespace, testWorkflowBundle } from '../kit/temporal';
import { startTestNode, startTestWorker } from '../kit/worker';

jest.setTimeout(60_000);

/**
 * The gate against code that an open workflow of an earlier release could not go on with: recorded histories must replay.
 * `RDS_CSI_RECORD_HISTORIES=1 npm run test:workflows` records those that are not there; those that are stay as they are, and only a
 * change of the names in them calls for another. Those named `….before-<patch>` are of the code before that patch.
 */
const FOLDER = path.join(__dirname, '../fixtures/histories');

beforeAll(async () => {
  quietTemporal();
  if (process.env.RDS_CSI_RECORD_HISTORIES !== '1') return;
  await recordVolumeHistories();
  await recordNodeHistories();
  await recordReconcileHistories();
}, 60_000);

/** `<process>@<host>`: what the SDK calls a worker, and begins the name of its sticky queue with. */
const WORKER_NAME = /^\d+@/;

const histories = (): string[] => readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
const textOf = (name: string): string => readFileSync(path.join(FOLDER, name), 'utf8');
const replay = (text: string): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: testWorkflowBundle() }, JSON.parse(text));

describe('recorded histories', () => {
  it('replay against the code of today', async () => {
    const names = histories();
    expect(names.map((name) => name.split('.')[0])).toEqual(
      expect.arrayContaining([
        'createVolume',
        'deleteVolume',
        'expandVolume',
        'publishVolume',
        'unpublishVolume',
        'watchMigration',
        'stageVolume',
        'unstageVolume',
        'expandNodeVolume',
        'reconcile',
        'repairVolume',
      ]),
    );
    for (const name of names) await expect(replay(textOf(name))).resolves.toBeUndefined();
    // A worker for each history: seconds, on a machine that does other things too.
  }, 120_000);

  it('tell nothing of the machine that recorded them', () => {
    for (const name of histories()) expect(textOf(name)).not.toMatch(/"\d+@|stackTrace|buildId|node_modules/);
  });

  it.each([
    ['createVolume.completed', 'ensureVolume'],
    ['stageVolume.undone', 'undoStage'],
    ['expandNodeVolume.completed', 'growFileSystem'],
    ['reconcile.completed', 'findHeldVolumes'],
    ['repairVolume.cleared', 'confirmStale'],
  ])('do not replay against code that does something else: %s without %s', async (name, activity) => {
    const changed = textOf(`${name}.json`).replaceAll(`"name": "${activity}"`, '"name": "somethingElse"');
    await expect(replay(changed)).rejects.toThrow(/Nondeterminism error.*somethingElse/);
  });
});

/** Of the latest run of this ID, if no such one was recorded before. */
async function keep(test: TestNamespace, name: string, workflowId: string): Promise<void> {
  const file = path.join(FOLDER, `${name}.json`);
  if (existsSync(file)) return;
  mkdirSync(FOLDER, { recursive: true });
  const history = await test.client.workflow.getHandle(workflowId).fetchHistory();
  writeFileSync(file, `${withoutPlaces(historyToJSON(history))}\n`);
}

/** One history for each workflow, and one for each way of ending. */
async function recordVolumeHistories(): Promise<void> {
  const test = await createTestNamespace();
  const disks = createFakeDisks();
  const cluster = createFakeCluster('node-a', 'node-b', 'node-c');
  const worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
  const run = createOperations(test.client);
  const volumeId = newVolumeId();
  const record = async (name: string, operation: Promise<unknown>): Promise<void> => {
    await operation.catch(() => undefined);
    await keep(test, name, volumeWorkflowIdOf(volumeId));
  };
  const watched = async (name: string): Promise<void> => {
    await test.client.workflow.getHandle(migrationWorkflowIdOf(volumeId)).result();
    await keep(test, name, migrationWorkflowIdOf(volumeId));
  };
  await record('createVolume.completed', run(createOf(volumeId), patient()));
  await record('publishVolume.completed', run(publishOf(volumeId, 'node-a'), patient()));
  await record('publishVolume.failed', run(publishOf(volumeId, 'node-b'), patient()));
  cluster.nodes.delete('node-a');
  await record('publishVolume.cleared', run(publishOf(volumeId, 'node-b'), patient()));
  await run(unpublishOf(volumeId, 'node-b'), patient());
  await run(publishSharedOf(volumeId, 'node-b'), patient());
  await record('publishVolume.migrating', run(publishSharedOf(volumeId, 'node-c'), patient()));
  await record('unpublishVolume.migrated', run(unpublishOf(volumeId, 'node-b'), patient()));
  await watched('watchMigration.completed');
  await run(publishSharedOf(volumeId, 'node-b', 1), patient());
  await watched('watchMigration.overstayed');
  await run(unpublishOf(volumeId, ''), patient());
  await run(publishOf(volumeId, 'node-a'), patient());
  await record('expandVolume.completed', run(expandOf(volumeId, '2147483648'), patient()));
  await record('unpublishVolume.completed', run(unpublishOf(volumeId, 'node-a'), patient()));
  // Cancelled while it waits for its next try: from within the first one, so that it is sure to have begun.
  disks.trouble = async () => {
    await test.client.workflow.getHandle(volumeWorkflowIdOf(volumeId)).cancel();
    throw new Fault('ArrayUnreachable', 'the RDS cannot be reached');
  };
  await record('expandVolume.cancelled', run(expandOf(volumeId, '3221225472'), patient()));
  disks.trouble = () => undefined;
  await record('deleteVolume.completed', run(deleteOf(volumeId), patient()));
  await worker.stop();
  await test.close();
}

/** Of what is done on a node, over one that does what it is told. */
async function recordNodeHistories(): Promise<void> {
  const test = await createTestNamespace();
  const cluster = createFakeCluster('node-a');
  const worker = await startTestWorker({ test, disks: createFakeDisks(), nodes: anyNode, cluster });
  const done = () => Promise.resolve();
  let connect: () => Promise<ConnectResult | undefined> = () => Promise.resolve(undefined);
  let prepare: () => Promise<void> = done;
  const node = await startTestNode(test, 'node-a', {
    connectVolume: () => connect(),
    prepareFileSystem: () => prepare(),
    mountStaging: done,
    undoStage: done,
    unstageVolume: done,
    growFileSystem: () => Promise.resolve({ sizeBytes: '2147483648' }),
  });
  const run = createOperations(test.client);
  const volumeId = newVolumeId();
  const record = async (name: string, operation: Promise<unknown>, kind: string | undefined): Promise<void> => {
    const error: unknown = await operation.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if ((error instanceof Fault ? error.kind : error) !== kind) throw new Error(`${name} ended with ${String(error)}`);
    await keep(test, name, nodeWorkflowIdOf(volumeId, parseNodeId('node-a', 'nodeId')));
  };
  await record('stageVolume.completed', run(stageOf(volumeId, 'node-a'), patient()), undefined);
  await record('expandNodeVolume.completed', run(expandNodeOf(volumeId, 'node-a'), patient()), undefined);
  await record('unstageVolume.completed', run(unstageOf(volumeId, 'node-a'), patient()), undefined);
  prepare = () => {
    throw applicationFailureOf(new Fault('DeviceNotBlank', `${volumeId}: an xfs file system is on it, not ext4`));
  };
  await record('stageVolume.undone', run(stageOf(volumeId, 'node-a'), patient()), 'DeviceNotBlank');
  connect = () => Promise.resolve({ recovers: true });
  await record('stageVolume.not-recovered', run(stageOf(volumeId, 'node-a'), patient()), 'DeviceNotBlank');
  prepare = done;
  await record('stageVolume.recovered', run(stageOf(volumeId, 'node-a'), patient()), undefined);
  await node.stop();
  await worker.stop();
  await test.close();
}

/** A run that finds something of every kind, and the repairs that it begins. */
async function recordReconcileHistories(): Promise<void> {
  const test = await createTestNamespace();
  const disks = createFakeDisks();
  const cluster = createFakeCluster('node-a', 'node-b');
  const worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
  const [stale, held, hidden, orphan] = [newVolumeId(), newVolumeId(), newVolumeId(), newVolumeId()];
  const node = await startTestNode(test, 'node-a', { findHeldVolumes: () => Promise.resolve({ held: [held] }) });
  const run = createOperations(test.client);
  for (const volumeId of [stale, held, hidden]) {
    await run(createOf(volumeId), patient());
    await run(publishOf(volumeId, 'node-a'), patient());
    cluster.persistentVolumes.add(volumeId);
  }
  await run(createOf(orphan), patient());
  cluster.attach(hidden, 'node-a');
  const volume = disks.volumes.get(hidden);
  if (!volume) throw new Error('no volume');
  disks.volumes.set(hidden, { ...volume, exported: false });
  cluster.persistentVolumes.add('pvc-lost');
  const rules = { clusterId: 'c1', graceSeconds: 1, orphanAgeSeconds: 0, deleteOrphansAfterSeconds: 0 };
  const { done, left, lostVolumes } = await test.client.workflow.execute<
    (input: ReconcileInput) => Promise<ReconcileSummary>
  >('reconcile', { workflowId: RECONCILE_WORKFLOW_ID, taskQueue: CONTROLLER_TASK_QUEUE, args: [rules] });
  // A history of a run that found nothing would replay against anything.
  expect(done.map(({ action }) => action).sort()).toEqual(['clear', 'delete', 'restore']);
  expect([left.length, lostVolumes.length]).toEqual([1, 1]);
  await keep(test, 'reconcile.completed', RECONCILE_WORKFLOW_ID);
  await keep(test, 'repairVolume.cleared', volumeWorkflowIdOf(stale));
  await keep(test, 'repairVolume.restored', volumeWorkflowIdOf(hidden));
  await keep(test, 'repairVolume.deleted', volumeWorkflowIdOf(orphan));
  await node.stop();
  await worker.stop();
  await test.close();
}

/** What tells of the machine that recorded, and of where the code lay on it: no replay looks at any of it. */
function withoutPlaces(history: string): string {
  const places = new Set(['stackTrace', 'buildId', 'binaryChecksum']);
  const keep = (key: string, value: unknown): unknown => {
    if (places.has(key)) return undefined;
    return typeof value === 'string' && WORKER_NAME.test(value) ? 'worker' : value;
  };
  return JSON.stringify(JSON.parse(history, keep), undefined, 2);
}
