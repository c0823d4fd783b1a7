import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { Worker } from '@temporalio/worker';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import { migrationWorkflowIdOf, volumeWorkflowIdOf } from '../../src/contract/workflow-ids';
import { createOperations } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import { createFakeCluster } from '../kit/fake-cluster';
import { createFakeDisks } from '../kit/fake-disks';
import {
  createOf,
  deleteOf,
  expandOf,
  newVolumeId,
  patient,
  publishOf,
  publishSharedOf,
  unpublishOf,
} from '../kit/operations';
import { createTestNamespace, quietTemporal, testWorkflowBundle } from '../kit/temporal';
import { startTestWorker } from '../kit/worker';

/**
 * The gate against code that an open workflow of an earlier release could not go on with: recorded histories must replay.
 * `RDS_CSI_RECORD_HISTORIES=1 npm run test:workflows` records anew, which only a change of the names in them calls for. Those named
 * `….before-<patch>` are of the code before that patch, and stay as they are.
 */
const FOLDER = path.join(__dirname, '../fixtures/histories');

beforeAll(async () => {
  quietTemporal();
  if (process.env.RDS_CSI_RECORD_HISTORIES === '1') await recordHistories();
});

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
      ]),
    );
    for (const name of names) await expect(replay(textOf(name))).resolves.toBeUndefined();
    // A worker for each history: seconds, on a machine that does other things too.
  }, 120_000);

  it('tell nothing of the machine that recorded them', () => {
    for (const name of histories()) expect(textOf(name)).not.toMatch(/"\d+@|stackTrace|buildId|node_modules/);
  });

  it('do not replay against code that does something else', async () => {
    const changed = textOf('createVolume.completed.json').replaceAll('"ensureVolume"', '"makeVolume"');
    await expect(replay(changed)).rejects.toThrow(/Nondeterminism error.*makeVolume/);
  });
});

/** One history for each workflow, and one for each way of ending. */
async function recordHistories(): Promise<void> {
  const test = await createTestNamespace();
  const disks = createFakeDisks();
  const cluster = createFakeCluster('node-a', 'node-b', 'node-c');
  const worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
  const run = createOperations(test.client);
  const volumeId = newVolumeId();
  mkdirSync(FOLDER, { recursive: true });
  const keep = async (name: string, workflowId: string): Promise<void> => {
    const history = await test.client.workflow.getHandle(workflowId).fetchHistory();
    writeFileSync(path.join(FOLDER, `${name}.json`), `${withoutPlaces(historyToJSON(history))}\n`);
  };
  const record = async (name: string, operation: Promise<unknown>): Promise<void> => {
    await operation.catch(() => undefined);
    await keep(name, volumeWorkflowIdOf(volumeId));
  };
  const watched = async (name: string): Promise<void> => {
    await test.client.workflow.getHandle(migrationWorkflowIdOf(volumeId)).result();
    await keep(name, migrationWorkflowIdOf(volumeId));
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

/** What tells of the machine that recorded, and of where the code lay on it: no replay looks at any of it. */
function withoutPlaces(history: string): string {
  const places = new Set(['stackTrace', 'buildId', 'binaryChecksum']);
  const keep = (key: string, value: unknown): unknown => {
    if (places.has(key)) return undefined;
    return typeof value === 'string' && WORKER_NAME.test(value) ? 'worker' : value;
  };
  return JSON.stringify(JSON.parse(history, keep), undefined, 2);
}
