import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, startDriver } from '../kit/driver';
import { blockOf, createOf, GIB, mountOf, newName, publishOf } from '../kit/requests';
import { createTestNamespace } from '../kit/temporal';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver({ simulatorArgs: ['--pool-size', '8TiB'] });
});

afterAll(async () => {
  await driver.stop();
});

/** What a call costs: execs on the RDS, and activities in the run that it left. */
async function costOf(volumeId: string, call: () => Promise<unknown>): Promise<{ execs: number; activities: number }> {
  const before = (await driver.rds.scripts()).length;
  await call();
  const execs = (await driver.rds.scripts()).length - before;
  const history = await driver.temporal.client.workflow.getHandle(`volume/${volumeId}`).fetchHistory();
  const events = history.events ?? [];
  return { execs, activities: events.filter((event) => event.activityTaskScheduledEventAttributes).length };
}

describe('a volume', () => {
  it('lives: each RPC that changes it is one exec and at most two activities', async () => {
    const { csi } = driver;
    const name = newName();
    const steps: [string, () => Promise<unknown>, number][] = [
      ['create', () => csi.createVolume(createOf(name, 10n * GIB)), 1],
      ['create again', () => csi.createVolume(createOf(name, 10n * GIB)), 1],
      ['publish', () => csi.publishVolume(publishOf(name, 'node-a')), 2],
      ['publish again', () => csi.publishVolume(publishOf(name, 'node-a')), 2],
      ['expand', () => csi.expandVolume({ volumeId: name, capacityRange: { requiredBytes: 20n * GIB } }), 1],
      ['unpublish', () => csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' }), 1],
      ['unpublish again', () => csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' }), 1],
      ['delete', () => csi.deleteVolume({ volumeId: name }), 1],
      ['delete again', () => csi.deleteVolume({ volumeId: name }), 1],
    ];
    for (const [step, call, activities] of steps) {
      expect([step, await costOf(name, call)]).toEqual([step, { execs: 1, activities }]);
    }
    expect(await driver.rds.traces(name)).toEqual({ disks: [], files: [] });
  });

  it('reads cost one exec each, and start no workflow', async () => {
    const name = newName();
    const { csi, rds } = driver;
    await csi.createVolume(createOf(name));
    const before = (await rds.scripts()).length;
    await csi.getVolume({ volumeId: name });
    await csi.listVolumes({});
    await csi.getCapacity({});
    await csi.validate({ volumeId: name, volumeCapabilities: [mountOf()] });
    expect((await rds.scripts()).length - before).toBe(4);
    await csi.deleteVolume({ volumeId: name });
  });

  it('is a disk that the RDS itself does not mount, exported, with its record', async () => {
    const name = newName();
    const parameters = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/pvc/namespace': 'shop' };
    await driver.csi.createVolume({ ...createOf(name, 2n * GIB), parameters });
    await driver.csi.publishVolume(publishOf(name, 'node-a'));
    const { disks, files } = await driver.rds.traces(name);
    expect(disks).toEqual([
      expect.objectContaining({
        slot: name,
        'mount-filesystem': 'no',
        'nvme-tcp-export': 'yes',
        'nvme-tcp-server-port': '4420',
        'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${name}`,
        'file-path': `/storage-pool/metal-csi/${name}.img`,
        comment: 'rds-csi/1 cluster=test-cluster claim=shop/data nodes=node-a:single-node-writer:rw:ext4',
      }),
    ]);
    expect(files).toEqual([{ name: `storage-pool/metal-csi/${name}.img`, sizeBytes: String(2n * GIB) }]);
  });

  it.each([
    ['1.5 TiB', 1_649_267_441_664n, 1_649_267_441_664n],
    ['2.5 GiB', 2_684_354_560n, 2_684_354_560n],
    ['one byte over', 2_684_354_561n, 2_685_403_136n],
  ])('of %s has the size that was promised, to the byte', async (_fact, asked, made) => {
    const name = newName();
    expect((await driver.csi.createVolume(createOf(name, asked))).volume?.capacityBytes).toBe(made);
    expect((await driver.csi.getVolume({ volumeId: name })).volume?.capacityBytes).toBe(made);
    const { files } = await driver.rds.traces(name);
    expect(files.map(({ sizeBytes }) => sizeBytes)).toEqual([String(made)]);
    await driver.csi.deleteVolume({ volumeId: name });
  });

  it('that is grown again after it has grown still asks the node to grow its file system', async () => {
    const name = newName();
    const grow = { volumeId: name, capacityRange: { requiredBytes: 3n * GIB }, volumeCapability: mountOf() };
    await driver.csi.createVolume(createOf(name));
    for (const _try of [1, 2]) {
      const reply = await driver.csi.expandVolume(grow);
      expect(reply).toEqual({ capacityBytes: 3n * GIB, nodeExpansionRequired: true });
    }
    const smaller = await driver.csi.expandVolume({ ...grow, capacityRange: { requiredBytes: GIB } });
    expect(smaller.capacityBytes).toBe(3n * GIB);
  });
});

describe('who has a volume', () => {
  const publish = (name: string, node: string, capability = mountOf()) =>
    driver.csi.publishVolume(publishOf(name, node, capability));

  it('is told to whoever comes second to a single-node volume', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    await publish(name, 'node-a');
    const error = await errorOf(publish(name, 'node-b'));
    expect([error.code, error.details]).toEqual([status.FAILED_PRECONDITION, expect.stringContaining('node-a')]);
    const deletion = await errorOf(driver.csi.deleteVolume({ volumeId: name }));
    expect([deletion.code, deletion.details]).toEqual([status.FAILED_PRECONDITION, expect.stringContaining('node-a')]);
  });

  it('may be two nodes, not three, for raw block with many writers; any number of readers', async () => {
    const [block, readers] = [newName(), newName()];
    await driver.csi.createVolume({ ...createOf(block), volumeCapabilities: [blockOf(Mode.MULTI_NODE_MULTI_WRITER)] });
    await driver.csi.createVolume(createOf(readers));
    for (const node of ['node-a', 'node-b']) {
      await driver.csi.publishVolume({
        ...publishOf(block, node),
        volumeCapability: blockOf(Mode.MULTI_NODE_MULTI_WRITER),
      });
    }
    const third = errorOf(
      driver.csi.publishVolume({
        ...publishOf(block, 'node-c'),
        volumeCapability: blockOf(Mode.MULTI_NODE_MULTI_WRITER),
      }),
    );
    expect((await third).code).toBe(status.FAILED_PRECONDITION);
    for (const node of ['node-a', 'node-b', 'node-c']) {
      await publish(readers, node, mountOf(Mode.MULTI_NODE_READER_ONLY));
    }
    const { status: state } = await driver.csi.getVolume({ volumeId: readers });
    expect(state?.publishedNodeIds).toEqual(['node-a', 'node-b', 'node-c']);
    await driver.csi.unpublishVolume({ volumeId: readers, nodeId: 'node-b' });
    await driver.csi.unpublishVolume({ volumeId: readers, nodeId: '' });
    expect((await driver.csi.getVolume({ volumeId: readers })).status?.publishedNodeIds).toEqual([]);
  });

  it('in another way is a conflict', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    await publish(name, 'node-a');
    const ways = [
      { readonly: true },
      { volumeCapability: mountOf(Mode.SINGLE_NODE_SINGLE_WRITER) },
      { volumeCapability: mountOf(Mode.SINGLE_NODE_WRITER, 'xfs') },
      { volumeCapability: blockOf() },
    ];
    for (const way of ways) {
      const error = await errorOf(driver.csi.publishVolume({ ...publishOf(name, 'node-a'), ...way }));
      expect([error.code, error.details]).toEqual([status.ALREADY_EXISTS, expect.stringContaining('writer, ext4)')]);
    }
  });

  it('in another cluster is not told, and nothing of it is changed', async () => {
    const name = newName();
    const namespace = await createTestNamespace();
    const theirs = await driver.startController({
      config: { clusterId: 'their-cluster', temporalNamespace: namespace.namespace },
    });
    await theirs.csi.createVolume(createOf(name));
    await theirs.csi.publishVolume(publishOf(name, 'node-a'));
    const { csi, rds } = driver;
    const { status: state } = await csi.getVolume({ volumeId: name });
    expect(state).toEqual({
      publishedNodeIds: [],
      volumeCondition: { abnormal: false, message: 'belongs to cluster their-cluster' },
    });
    const before = await rds.traces(name);
    for (const change of [
      () => csi.expandVolume({ volumeId: name, capacityRange: { requiredBytes: 2n * GIB } }),
      () => csi.publishVolume(publishOf(name, 'node-a')),
      () => csi.deleteVolume({ volumeId: name }),
    ]) {
      const error = await errorOf(change());
      expect([error.code, error.details]).toEqual([
        status.FAILED_PRECONDITION,
        expect.stringContaining('belongs to cluster their-cluster'),
      ]);
    }
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    expect(await rds.traces(name)).toEqual(before);
    expect((await theirs.csi.getVolume({ volumeId: name })).status?.publishedNodeIds).toEqual(['node-a']);
    await theirs.program.stop();
    await namespace.close();
  });
});

describe('what is there', () => {
  it('is listed with its nodes, page by page', async () => {
    const names = [newName(), newName(), newName()].sort();
    for (const name of names) await driver.csi.createVolume(createOf(name));
    await driver.csi.publishVolume(publishOf(names[0] ?? '', 'node-z'));
    const found = new Map<string, readonly string[]>();
    let startingToken = '';
    do {
      const page = await driver.csi.listVolumes({ maxEntries: 2, startingToken });
      expect(page.entries.length).toBeLessThanOrEqual(2);
      for (const { volume, status: state } of page.entries) {
        found.set(volume?.volumeId ?? '', state?.publishedNodeIds ?? []);
      }
      startingToken = page.nextToken;
    } while (startingToken !== '');
    expect(names.map((name) => found.get(name))).toEqual([['node-z'], [], []]);
    expect((await errorOf(driver.csi.listVolumes({ startingToken: 'nonsense' }))).code).toBe(status.ABORTED);
    expect((await errorOf(driver.csi.listVolumes({ maxEntries: -1 }))).code).toBe(status.INVALID_ARGUMENT);
  });

  it('takes room from the pool', async () => {
    const before = await driver.csi.getCapacity({});
    await driver.csi.createVolume(createOf(newName(), 5n * GIB));
    const after = await driver.csi.getCapacity({});
    expect(before.availableCapacity - after.availableCapacity).toBe(5n * GIB);
    expect(after.minimumVolumeSize).toBe(2n ** 20n);
    const unserved = { volumeCapabilities: [mountOf(Mode.MULTI_NODE_MULTI_WRITER)] };
    expect((await driver.csi.getCapacity(unserved)).availableCapacity).toBe(0n);
  });

  it('says what it can be used for', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    const confirmed = await driver.csi.validate({ volumeId: name, volumeCapabilities: [mountOf(), mountOf()] });
    expect(confirmed.confirmed?.volumeCapabilities).toHaveLength(2);
    const volumeCapabilities = [mountOf(Mode.MULTI_NODE_MULTI_WRITER)];
    const refused = await driver.csi.validate({ volumeId: name, volumeCapabilities });
    expect([refused.confirmed, refused.message]).toEqual([undefined, expect.stringContaining('access_mode')]);
  });

  it('is not: each RPC says so by its code', async () => {
    const volumeId = newName();
    const { csi } = driver;
    const calls = [
      () => csi.publishVolume(publishOf(volumeId, 'node-a')),
      () => csi.expandVolume({ volumeId, capacityRange: { requiredBytes: GIB } }),
      () => csi.getVolume({ volumeId }),
      () => csi.validate({ volumeId, volumeCapabilities: [mountOf()] }),
    ];
    for (const call of calls) expect((await errorOf(call())).code).toBe(status.NOT_FOUND);
    await csi.deleteVolume({ volumeId });
    await csi.unpublishVolume({ volumeId, nodeId: 'node-a' });
  });

  it('and is another: a repeat with another size is a conflict', async () => {
    const name = newName();
    await driver.csi.createVolume(createOf(name));
    const error = await errorOf(driver.csi.createVolume(createOf(name, 2n * GIB)));
    expect([error.code, error.details]).toEqual([status.ALREADY_EXISTS, expect.stringContaining('1 GiB')]);
  });
});

describe('the plugin', () => {
  it('says who it is and what it can do', async () => {
    const { csi } = driver;
    expect((await csi.getPluginInfo({})).name).toBe('rds.csi.srvlab.io');
    expect((await csi.getPluginCapabilities({})).capabilities).toHaveLength(2);
    const { capabilities } = await csi.getCapabilities({});
    expect(capabilities).toHaveLength(10);
  });
});
