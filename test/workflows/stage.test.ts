import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import { applicationFailureOf } from '../../src/contract/failure';
import { createOperations, type RunOperation } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import type { VolumeId } from '../../src/domain/volume-id';
import { createFakeCluster } from '../kit/fake-cluster';
import { createFakeDisks } from '../kit/fake-disks';
import { newVolumeId, patient, stageOf } from '../kit/operations';
import { createTestNamespace, type TestNamespace } from '../kit/temporal';
import { startTestNode, startTestWorker } from '../kit/worker';

jest.setTimeout(60_000);

const cluster = createFakeCluster('node-a');
let test: TestNamespace;
let worker: Awaited<ReturnType<typeof startTestWorker>>;
let node: Awaited<ReturnType<typeof startTestNode>>;
let run: RunOperation;
/** What the node does when it is to mount. */
let mount: () => Promise<void>;
const acts: string[] = [];

beforeAll(async () => {
  test = await createTestNamespace();
  worker = await startTestWorker({ test, disks: createFakeDisks(), nodes: anyNode, cluster });
  const act = (name: string) => () => Promise.resolve(void acts.push(name));
  node = await startTestNode(test, 'node-a', {
    connectVolume: () => Promise.resolve({ recovers: true }),
    prepareFileSystem: act('prepare'),
    mountStaging: () => mount(),
    undoStage: ({ cancelled }) => Promise.resolve(void acts.push(cancelled ? 'undo, unwanted' : 'undo')),
  });
  run = createOperations(test.client);
});

afterAll(async () => {
  await node.stop();
  await worker.stop();
  await test.close();
});

beforeEach(() => {
  cluster.events.length = 0;
  cluster.trouble = () => undefined;
  acts.length = 0;
  mount = () => Promise.resolve(void acts.push('mount'));
});

const toldOf = (volumeId: VolumeId) =>
  cluster.events
    .filter(({ on }) => 'volumeId' in on && on.volumeId === volumeId)
    .map(({ reason, type, message }) => [reason, type, message]);
const saying = (text: string) => expect.stringContaining(text);

describe('a stage that has met a mount without a device', () => {
  it('tells people that it found it, and that the volume is usable again', async () => {
    const volumeId = newVolumeId();
    await run(stageOf(volumeId, 'node-a'), patient());
    expect(acts).toEqual(['prepare', 'mount']);
    expect(toldOf(volumeId)).toEqual([
      ['StaleMountDetected', 'Warning', saying('may not have reached the RDS')],
      ['MountRecovered', 'Normal', saying('must be deleted to start again')],
    ]);
  });

  it('tells why the volume could not be made usable', async () => {
    const volumeId = newVolumeId();
    mount = () => Promise.reject(applicationFailureOf(new Fault('NodeToolFailed', `${volumeId}: bad superblock`)));
    await expect(run(stageOf(volumeId, 'node-a'), patient())).rejects.toThrow('bad superblock');
    expect(acts).toEqual(['prepare', 'undo']);
    expect(toldOf(volumeId)).toEqual([
      ['StaleMountDetected', 'Warning', saying('node-a')],
      ['RecoveryFailed', 'Warning', saying('bad superblock')],
    ]);
  });

  it('that is not wanted any more is undone as such, and nothing of it has failed', async () => {
    const volumeId = newVolumeId();
    const operation = stageOf(volumeId, 'node-a');
    const mounting = Promise.withResolvers<void>();
    mount = async () => {
      mounting.resolve();
      throw applicationFailureOf(new Fault('NodeTimeout', 'it hangs'));
    };
    const staging = run(operation, patient()).catch(() => 'ended');
    await mounting.promise;
    await test.client.workflow.getHandle(operation.workflowId).cancel();
    expect(await staging).toBe('ended');
    expect(acts.at(-1)).toBe('undo, unwanted');
    expect(toldOf(volumeId)).toEqual([['StaleMountDetected', 'Warning', saying('node-a')]]);
  });

  it('goes on where nobody can be told', async () => {
    cluster.trouble = () => Promise.reject(new Fault('ClusterUnreachable', 'the API server does not answer'));
    await run(stageOf(newVolumeId(), 'node-a'), patient());
    expect(acts).toEqual(['prepare', 'mount']);
  });
});
