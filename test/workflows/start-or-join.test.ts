import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anyNode } from '../../src/adapters/nodes/task-queue-nodes';
import { createOperations, type RunOperation } from '../../src/csi/operations';
import { Fault } from '../../src/domain/fault';
import type { VolumeId } from '../../src/domain/volume-id';
import { waitFor } from '../kit/driver';
import { createFakeDisks } from '../kit/fake-disks';
import {
  createOf,
  deleteOf,
  expandOf,
  newVolumeId,
  patient,
  publishOf,
  stageOf,
  unpublishOf,
  within,
} from '../kit/operations';
import { createTestNamespace, type TestNamespace } from '../kit/temporal';
import { startTestWorker } from '../kit/worker';

jest.setTimeout(60_000);

const unreachable = new Fault('ArrayUnreachable', 'RDS 10.0.0.1:22 cannot be reached since 03:00: ECONNREFUSED');

let test: TestNamespace;
let worker: { stop(): Promise<void> };
let run: RunOperation;
const disks = createFakeDisks();

beforeAll(async () => {
  test = await createTestNamespace();
  worker = await startTestWorker({ test, disks, nodes: anyNode });
  run = createOperations(test.client);
});

afterAll(async () => {
  await worker.stop();
  await test.close();
});

beforeEach(() => {
  disks.trouble = () => undefined;
  disks.acts.length = 0;
});

const faultOf = async (ending: Promise<unknown>): Promise<Fault> => {
  const error: unknown = await ending.then(
    () => new Error('no fault'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw error;
};

const runsOf = async (volumeId: VolumeId): Promise<string[]> => {
  const runs: string[] = [];
  for await (const found of test.client.workflow.list({ query: `VolumeId = "${volumeId}"` })) {
    runs.push(`${found.type} ${found.status.name}`);
  }
  return runs;
};

/** Visibility is eventually consistent: waits until the volume's runs are as expected. */
const waitForRuns = async (volumeId: VolumeId, expected: string[]): Promise<void> => {
  const deadline = Date.now() + 10_000;
  let runs = await runsOf(volumeId);
  while (runs.sort().join() !== expected.sort().join() && Date.now() < deadline) runs = await runsOf(volumeId);
  expect(runs.sort()).toEqual(expected.sort());
};

describe('an operation', () => {
  it('runs a volume through its life', async () => {
    const volumeId = newVolumeId();
    await expect(run(createOf(volumeId), patient())).resolves.toEqual({ sizeBytes: '1073741824' });
    await run(publishOf(volumeId, 'node-a'), patient());
    expect(disks.volumes.get(volumeId)?.comment).toContain('nodes=node-a:single-node-writer:rw');
    await expect(run(expandOf(volumeId, '2147483648'), patient())).resolves.toEqual({ sizeBytes: '2147483648' });
    expect((await faultOf(run(deleteOf(volumeId), patient()))).message).toContain('node-a');
    await run(unpublishOf(volumeId, 'node-a'), patient());
    await run(deleteOf(volumeId), patient());
    expect(disks.volumes.has(volumeId)).toBe(false);
    expect(disks.acts).toEqual(['create', 'attach', 'resize', 'remove', 'detach', 'remove']);
  });

  it('is joined, not repeated, by the same operation', async () => {
    const volumeId = newVolumeId();
    const gate = Promise.withResolvers<void>();
    disks.trouble = () => gate.promise;
    const callers = Array.from({ length: 20 }, () => run(createOf(volumeId), patient()));
    await waitForRuns(volumeId, ['createVolume RUNNING']);
    gate.resolve();
    const answers = await Promise.all(callers);
    expect(new Set(answers.map(({ sizeBytes }) => sizeBytes))).toEqual(new Set(['1073741824']));
    expect(disks.acts).toEqual(['create']);
    await waitForRuns(volumeId, ['createVolume COMPLETED']);
  });

  it('is in the way of another one, which says so and what it waits for', async () => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    const gate = Promise.withResolvers<void>();
    disks.trouble = () => gate.promise;
    const growing = run(expandOf(volumeId, '2147483648'), patient());
    await waitForRuns(volumeId, ['createVolume COMPLETED', 'expandVolume RUNNING']);
    const fault = await faultOf(run(publishOf(volumeId, 'node-a'), patient()));
    expect(fault.kind).toBe('OperationConflict');
    expect(fault.message).toContain(`publishVolume of ${volumeId} has to wait: expandVolume of ${volumeId}`);
    expect(fault.message).toContain(`workflow volume/${volumeId}`);
    gate.resolve();
    await growing;
  });

  it('of the same name with other arguments is another one', async () => {
    const volumeId = newVolumeId();
    const gate = Promise.withResolvers<void>();
    disks.trouble = () => gate.promise;
    const creating = run(createOf(volumeId), patient());
    await waitForRuns(volumeId, ['createVolume RUNNING']);
    expect((await faultOf(run(createOf(volumeId, '2147483648'), patient()))).kind).toBe('OperationConflict');
    gate.resolve();
    await creating;
  });
});

describe('a caller whose patience ends', () => {
  it('learns the step, the attempt, the last failure and the workflow, before its deadline', async () => {
    const volumeId = newVolumeId();
    disks.trouble = () => {
      throw unreachable;
    };
    const begun = Date.now();
    const fault = await faultOf(run(createOf(volumeId), within(2_500)));
    expect(Date.now() - begun).toBeLessThan(2_500);
    expect(fault.kind).toBe('OperationPending');
    expect(fault.message).toContain(unreachable.message);
    expect(fault.message).toMatch(/ensureVolume, attempt [2-9]/);
    expect(fault.message).toContain(`workflow volume/${volumeId}`);
    disks.trouble = () => undefined;
    await expect(run(createOf(volumeId), patient())).resolves.toEqual({ sizeBytes: '1073741824' });
    await waitForRuns(volumeId, ['createVolume COMPLETED']);
  });

  it('learns that no worker of the node has taken the step on yet', async () => {
    const volumeId = newVolumeId();
    const told = `stageVolume of ${volumeId} is under way and goes on by itself: connectVolume waits for a free worker of node node-a (`;
    // A Temporal that is busy may not say in time what it waits for: the next call learns it.
    const isTold = async () => (await faultOf(run(stageOf(volumeId, 'node-a'), within(2_500)))).message.includes(told);
    await expect(waitFor(isTold, () => `nobody is told: ${told}`)).resolves.toBeUndefined();
  });

  it('that hangs up leaves the operation running', async () => {
    const volumeId = newVolumeId();
    const gate = Promise.withResolvers<void>();
    disks.trouble = () => gate.promise;
    const caller = new AbortController();
    const waiting = run(createOf(volumeId), { deadline: undefined, ended: caller.signal });
    await waitForRuns(volumeId, ['createVolume RUNNING']);
    caller.abort();
    expect((await faultOf(waiting)).kind).toBe('OperationPending');
    gate.resolve();
    await waitForRuns(volumeId, ['createVolume COMPLETED']);
  });
});

describe('an operation that negates the running one', () => {
  it('cancels a create that is in back-off, and deletes', async () => {
    const volumeId = newVolumeId();
    disks.trouble = (act) => {
      if (act === 'create') throw unreachable;
    };
    const creating = faultOf(run(createOf(volumeId), patient()));
    await waitForRuns(volumeId, ['createVolume RUNNING']);
    await run(deleteOf(volumeId), patient());
    expect((await creating).kind).toBe('OperationCancelled');
    await waitForRuns(volumeId, ['createVolume CANCELLED', 'deleteVolume COMPLETED']);
  });

  it('waits for what the cancelled one has set in motion', async () => {
    const volumeId = newVolumeId();
    const gate = Promise.withResolvers<void>();
    disks.trouble = (act) => (act === 'create' ? gate.promise : undefined);
    const creating = run(createOf(volumeId), patient()).catch(() => undefined);
    await waitForRuns(volumeId, ['createVolume RUNNING']);
    const fault = await faultOf(run(deleteOf(volumeId), within(2_500)));
    expect(fault.kind).toBe('OperationPending');
    expect(disks.acts).not.toContain('remove');
    gate.resolve();
    await creating;
    await run(deleteOf(volumeId), patient());
    expect(disks.volumes.has(volumeId)).toBe(false);
  });

  it('is the unpublish from the same node only', async () => {
    const volumeId = newVolumeId();
    await run(createOf(volumeId), patient());
    disks.trouble = (act) => {
      if (act === 'attach') throw unreachable;
    };
    const publishing = faultOf(run(publishOf(volumeId, 'node-a'), patient()));
    await waitForRuns(volumeId, ['createVolume COMPLETED', 'publishVolume RUNNING']);
    expect((await faultOf(run(unpublishOf(volumeId, 'node-b'), patient()))).kind).toBe('OperationConflict');
    await run(unpublishOf(volumeId, 'node-a'), patient());
    expect((await publishing).kind).toBe('OperationCancelled');
  });
});

describe('a fault', () => {
  it.each(['PoolExhausted', 'VolumeExists', 'NotOurs', 'ArrayRefused'] as const)(
    '%s that trying again cannot mend ends the operation, with its words',
    async (kind) => {
      disks.trouble = () => {
        throw new Fault(kind, `the words of ${kind}`);
      };
      const fault = await faultOf(run(createOf(newVolumeId()), patient()));
      expect([fault.kind, fault.message]).toEqual([kind, `the words of ${kind}`]);
      expect(disks.acts).toEqual(['create']);
    },
  );

  it('that is a bug tells nothing of itself', async () => {
    disks.trouble = () => {
      throw new TypeError('secret words');
    };
    const error: unknown = await run(createOf(newVolumeId()), patient()).catch((thrown: unknown) => thrown);
    expect(error).not.toBeInstanceOf(Fault);
    expect(String(error)).not.toContain('secret words');
  });
});
