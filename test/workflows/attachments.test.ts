import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import { migrationWorkflowIdOf } from '../../src/contract/workflow-ids';
import { createOperations, type RunOperation } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import { findMigration } from '../../src/domain/migration';
import type { VolumeId } from '../../src/domain/volume-id';
import { waitFor } from '../kit/driver';
import { createFakeCluster } from '../kit/fake-cluster';
import { createFakeDisks } from '../kit/fake-disks';
import { createOf, newVolumeId, patient, publishOf, publishSharedOf, unpublishOf, within } from '../kit/operations';
import { createTestNamespace, type TestNamespace } from '../kit/temporal';
import { startTestWorker } from '../kit/worker';

jest.setTimeout(60_000);

const disks = createFakeDisks();
const cluster = createFakeCluster();
let test: TestNamespace;
let worker: Awaited<ReturnType<typeof startTestWorker>>;
let run: RunOperation;

beforeAll(async () => {
  test = await createTestNamespace();
  worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
  run = createOperations(test.client);
});

afterAll(async () => {
  await worker.stop();
  await test.close();
});

beforeEach(() => {
  for (const node of ['node-a', 'node-b', 'node-c']) cluster.put(node);
  cluster.trouble = () => undefined;
  cluster.events.length = 0;
  disks.trouble = () => undefined;
  disks.acts.length = 0;
  worker.outcomes.length = 0;
  worker.attachments.length = 0;
});

const faultOf = async (ending: Promise<unknown>): Promise<Fault> => {
  const error: unknown = await ending.then(
    () => new Error('no fault'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw error;
};
const holdersOf = (volumeId: VolumeId) =>
  disks.volumes.get(volumeId)?.record?.attachments.map(({ nodeId }): string => nodeId);
const toldOf = (volumeId: VolumeId) =>
  cluster.events
    .filter(({ on }) => 'volumeId' in on && on.volumeId === volumeId)
    .map(({ reason, type, message }) => ({ reason, type, message }));
const told = (reason: string, ...words: string[]) =>
  expect.objectContaining({
    reason,
    message: expect.stringMatching(words.map((word) => `(?=[^]*${word})`).join('')),
  });

/** A volume that `node-a` has; what that took is forgotten. */
const attachedToA = async (): Promise<VolumeId> => {
  const volumeId = newVolumeId();
  await run(createOf(volumeId), patient());
  await run(publishOf(volumeId, 'node-a'), patient());
  disks.acts.length = 0;
  return volumeId;
};

describe('a publish to another node than the one that has the volume', () => {
  it.each<[string, () => void, string]>([
    ['whose Node is gone', () => void cluster.nodes.delete('node-a'), 'gone from the cluster'],
    [
      'that a person has called off',
      () => cluster.put('node-a', { ready: false, outOfService: true }),
      'node.kubernetes.io/out-of-service',
    ],
  ])('%s: clears it, says so, and goes on', async (_fact, lose, why) => {
    const volumeId = await attachedToA();
    lose();
    await run(publishOf(volumeId, 'node-b'), patient());
    expect(holdersOf(volumeId)).toEqual(['node-b']);
    expect(disks.acts).toEqual(['attach', 'find', 'find', 'writeRecord', 'attach']);
    expect(toldOf(volumeId)).toEqual([told('StaleAttachmentCleared', 'node-a', why)]);
    expect(worker.attachments.filter(({ operation }) => operation === 'clear')).toMatchObject([
      { status: 'success', nodeIds: ['node-a'] },
    ]);
    expect(worker.outcomes).toEqual([]);
  });

  it('that is merely not ready: is refused, naming it, and says what to do', async () => {
    const volumeId = await attachedToA();
    cluster.put('node-a', { ready: false });
    const fault = await faultOf(run(publishOf(volumeId, 'node-b'), patient()));
    expect([fault.kind, fault.message]).toEqual(['VolumeInUse', expect.stringContaining('node-a')]);
    expect(holdersOf(volumeId)).toEqual(['node-a']);
    expect(toldOf(volumeId)).toEqual([told('AttachmentConflict', 'node-a', 'node-b', 'out-of-service')]);
    expect(worker.outcomes).toEqual([{ kind: 'attachment-conflict' }]);
  });

  it('waits, and clears nothing, while the API server does not say', async () => {
    const volumeId = await attachedToA();
    cluster.nodes.delete('node-a');
    cluster.trouble = (call) => {
      if (call === 'findNode') throw new Fault('ClusterUnreachable', 'the API server does not answer');
    };
    const fault = await faultOf(run(publishOf(volumeId, 'node-b'), within(2_500)));
    expect([fault.kind, fault.message]).toEqual([
      'OperationPending',
      expect.stringMatching(/findLostNodes.*the API server does not answer/),
    ]);
    expect(holdersOf(volumeId)).toEqual(['node-a']);
    cluster.trouble = () => undefined;
    await run(publishOf(volumeId, 'node-b'), patient());
    expect(holdersOf(volumeId)).toEqual(['node-b']);
  });

  it('does not depend on the event', async () => {
    const volumeId = await attachedToA();
    cluster.nodes.delete('node-a');
    cluster.trouble = (call) => {
      if (call === 'postEvent') throw new Error('a bug in posting');
    };
    await run(publishOf(volumeId, 'node-b'), patient());
    expect(holdersOf(volumeId)).toEqual(['node-b']);
  });

  it('clears nothing where the record was changed between the look and the act', async () => {
    const volumeId = await attachedToA();
    cluster.nodes.delete('node-a');
    let finds = 0;
    disks.trouble = (act) => {
      finds += act === 'find' ? 1 : 0;
      if (act !== 'find' || finds !== 2) return;
      const volume = disks.volumes.get(volumeId);
      if (volume) disks.volumes.set(volumeId, { ...volume, comment: `${volume.comment} ` });
    };
    expect((await faultOf(run(publishOf(volumeId, 'node-b'), patient()))).kind).toBe('OperationConflict');
    expect(holdersOf(volumeId)).toEqual(['node-a']);
  });

  it('of three, clears the lost one of two writers', async () => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    await run(publishSharedOf(volumeId, 'node-a'), patient());
    await run(publishSharedOf(volumeId, 'node-b'), patient());
    cluster.nodes.delete('node-a');
    await run(publishSharedOf(volumeId, 'node-c'), patient());
    expect(holdersOf(volumeId)).toEqual(['node-b', 'node-c']);
    await waitFor(
      () => toldOf(volumeId).filter(({ reason }) => reason === 'MigrationStarted').length === 2,
      () => JSON.stringify(toldOf(volumeId)),
    );
    expect(toldOf(volumeId)).toContainEqual(told('MigrationStarted', 'node-b and node-c'));
    await run(unpublishOf(volumeId, 'node-c'), patient());
  });
});

describe('without Kubernetes', () => {
  it('the record alone decides', async () => {
    const alone = await createTestNamespace();
    const loneWorker = await startTestWorker({ test: alone, disks, nodes: anyNode });
    const runAlone = createOperations(alone.client);
    const volumeId = newVolumeId();
    await runAlone(createOf(volumeId), patient());
    await runAlone(publishOf(volumeId, 'node-of-nowhere'), patient());
    expect((await faultOf(runAlone(publishOf(volumeId, 'node-b'), patient()))).kind).toBe('VolumeInUse');
    expect(holdersOf(volumeId)).toEqual(['node-of-nowhere']);
    await loneWorker.stop();
    await alone.close();
  });
});

describe('a live migration', () => {
  const watchOf = (volumeId: VolumeId) => test.client.workflow.getHandle(migrationWorkflowIdOf(volumeId));
  const ended = (volumeId: VolumeId, status = 'COMPLETED') =>
    waitFor(
      async () => (await watchOf(volumeId).describe()).status.name === status,
      async () => JSON.stringify((await watchOf(volumeId).describe()).status),
    );
  const both = async (timeoutSeconds: number): Promise<VolumeId> => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    await run(publishSharedOf(volumeId, 'node-a', timeoutSeconds), patient());
    await expect(watchOf(volumeId).describe()).rejects.toThrow(/not found/i);
    await run(publishSharedOf(volumeId, 'node-b', timeoutSeconds), patient());
    return volumeId;
  };
  /** Past the driver, as a lost signal looks. */
  const dropSilently = (volumeId: VolumeId, node: string): void => {
    const volume = disks.volumes.get(volumeId);
    if (!volume?.record) throw new Error('no record');
    const attachments = volume.record.attachments.filter(({ nodeId }) => nodeId !== node);
    disks.volumes.set(volumeId, { ...volume, record: { ...volume.record, attachments } });
  };

  it('is told when it begins and when the source lets go, in time', async () => {
    const volumeId = await both(300);
    await waitFor(
      () => toldOf(volumeId).length === 1,
      () => 'not told',
    );
    // A repeated publish begins nothing anew.
    await run(publishSharedOf(volumeId, 'node-b', 300), patient());
    await run(unpublishOf(volumeId, 'node-a'), patient());
    await ended(volumeId);
    expect(toldOf(volumeId)).toEqual([
      told('MigrationStarted', 'node-a and node-b', '300 s'),
      told('MigrationCompleted', 'node-a and node-b'),
    ]);
    expect(worker.outcomes).toEqual([{ kind: 'migration', result: 'success', seconds: expect.any(Number) }]);
    const [outcome] = worker.outcomes;
    expect(outcome?.kind === 'migration' && outcome.seconds < 100).toBe(true);
  });

  it('that overstays is told with what to do, and is ended by nobody', async () => {
    const volumeId = await both(1);
    await ended(volumeId);
    expect(toldOf(volumeId)).toEqual([
      told('MigrationStarted', 'node-a and node-b', '1 s'),
      told('MigrationFailed', 'node-a and node-b', 'third', 'delete the pod'),
    ]);
    expect(toldOf(volumeId)[1]?.type).toBe('Warning');
    expect(worker.outcomes).toEqual([{ kind: 'migration', result: 'timeout', seconds: expect.any(Number) }]);
    expect(holdersOf(volumeId)).toEqual(['node-a', 'node-b']);
    const third = await faultOf(run(publishSharedOf(volumeId, 'node-c', 1), patient()));
    expect([third.kind, third.message]).toEqual(['VolumeInUse', expect.stringMatching(/node-a.*node-b/)]);
    await run(unpublishOf(volumeId, 'node-a'), patient());
    await run(publishSharedOf(volumeId, 'node-c', 300), patient());
    expect(findMigration(disks.volumes.get(volumeId)?.record?.attachments ?? [])).toEqual(['node-b', 'node-c']);
    await run(unpublishOf(volumeId, 'node-b'), patient());
    await ended(volumeId);
  });

  it('whose end nobody signals is found to have ended, by the record', async () => {
    const volumeId = await both(2);
    dropSilently(volumeId, 'node-a');
    await ended(volumeId);
    expect(toldOf(volumeId).map(({ reason }) => reason)).toEqual(['MigrationStarted', 'MigrationCompleted']);
  });

  it('that begins while the watch over the one before is open is watched by it', async () => {
    const volumeId = await both(300);
    dropSilently(volumeId, 'node-a');
    await run(publishSharedOf(volumeId, 'node-c', 300), patient());
    await waitFor(
      () => toldOf(volumeId).length === 3,
      () => JSON.stringify(toldOf(volumeId)),
    );
    expect(toldOf(volumeId)).toEqual([
      told('MigrationStarted', 'node-a and node-b'),
      told('MigrationCompleted', 'node-a and node-b'),
      told('MigrationStarted', 'node-b and node-c'),
    ]);
    await run(unpublishOf(volumeId, ''), patient());
    await ended(volumeId);
    expect(holdersOf(volumeId)).toEqual([]);
  });

  it('goes on being watched over a restart of the controller, and an outage of the RDS at its end', async () => {
    const volumeId = await both(3);
    await waitFor(
      () => toldOf(volumeId).length === 1,
      () => 'not told',
    );
    await worker.stop();
    disks.trouble = () => {
      throw new Fault('ArrayUnreachable', 'the RDS cannot be reached');
    };
    worker = await startTestWorker({ test, disks, nodes: anyNode, cluster });
    await waitFor(
      () => disks.acts.filter((act) => act === 'find').length > 1,
      () => 'the record is not asked for',
    );
    expect(toldOf(volumeId)).toHaveLength(1);
    disks.trouble = () => undefined;
    await ended(volumeId);
    expect(toldOf(volumeId).map(({ reason }) => reason)).toEqual(['MigrationStarted', 'MigrationFailed']);
  });

  it('is not what an unpublish of the last writer ends', async () => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    await run(publishSharedOf(volumeId, 'node-a', 300), patient());
    await run(unpublishOf(volumeId, 'node-a'), patient());
    const history = await test.client.workflow.getHandle(`volume/${volumeId}`).fetchHistory();
    expect(history.events?.some((event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes)).toBe(false);
  });
});
