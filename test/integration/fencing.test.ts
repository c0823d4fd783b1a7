import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { hostNqnOf } from '../../src/domain/host-nqn';
import { parseNodeId } from '../../src/domain/nqn';
import { type Controller, type Driver, startDriver, waitFor } from '../kit/driver';
import { LOST_REPLIES_LIMIT_MS, loseReplies } from '../kit/lost-replies';
import { blockOf, createOf, newName, publishOf } from '../kit/requests';

const FENCED = { fencing: 'allow-host', rdsMaxExecs: 5 };
const PATIENT_MS = 100_000;

let driver: Driver;
/** The one that runs: activities are anybody's who polls the queue. */
let controller: Controller;

beforeAll(async () => {
  driver = await startDriver({ config: FENCED });
  controller = driver.controller;
});

afterAll(async () => {
  await driver.stop();
});

afterEach(async () => {
  await driver.rds.heal();
});

const nqnOf = (node: string): string => hostNqnOf(parseNodeId(node, 'node'));
const join = async (name: string, host: string): Promise<string> => (await driver.rds.connectHost(name, host)).outcome;
const joinAs = (name: string, node: string): Promise<string> => join(name, nqnOf(node));
const hostsOf = async (name: string): Promise<string[]> =>
  (await driver.rds.sessions()).filter(({ slot }) => slot === name).map(({ hostNqn }) => hostNqn);
const exportOf = async (name: string) => {
  const [disk] = (await driver.rds.traces(name)).disks;
  return [disk?.['nvme-tcp-export'], disk?.['nvme-tcp-server-allow-host-name'] ?? ''];
};
const sharedOf = (name: string, node: string) => publishOf(name, node, blockOf(Mode.MULTI_NODE_MULTI_WRITER));
const made = async (): Promise<string> => {
  const name = newName();
  await controller.csi.createVolume(createOf(name));
  return name;
};

describe('with fencing', () => {
  it('only the node that has a volume may connect, and each RPC is one exec', async () => {
    const { csi, rds } = driver;
    const name = newName();
    const execsOf = async (call: () => Promise<unknown>) => {
      const before = (await rds.scripts()).length;
      await call();
      return (await rds.scripts()).length - before;
    };
    expect(await execsOf(() => csi.createVolume(createOf(name)))).toBe(1);
    expect(await execsOf(() => csi.createVolume(createOf(name)))).toBe(1);
    expect(await joinAs(name, 'node-a')).toBe('refused');
    const { status } = await csi.getVolume({ volumeId: name });
    expect(status?.volumeCondition).toMatchObject({ abnormal: false });

    expect(await execsOf(() => csi.publishVolume(publishOf(name, 'node-a')))).toBe(1);
    expect(await execsOf(() => csi.publishVolume(publishOf(name, 'node-a')))).toBe(1);
    expect([await joinAs(name, 'node-a'), await joinAs(name, 'node-b')]).toEqual(['connected', 'refused']);

    expect(await execsOf(() => csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' }))).toBe(1);
    expect([await hostsOf(name), await joinAs(name, 'node-a')]).toEqual([[], 'refused']);
    expect(await exportOf(name)).toEqual(['no', '']);
    expect(await execsOf(() => csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' }))).toBe(1);

    await csi.publishVolume(publishOf(name, 'node-b'));
    expect([await joinAs(name, 'node-a'), await joinAs(name, 'node-b')]).toEqual(['refused', 'connected']);
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-b' });
    expect(await execsOf(() => csi.deleteVolume({ volumeId: name }))).toBe(1);
  });

  it('a migration opens the export to any host, and its end closes it to all but the one that stays', async () => {
    const { csi } = driver;
    const name = await made();
    await csi.publishVolume(sharedOf(name, 'node-a'));
    await joinAs(name, 'node-a');
    expect(await joinAs(name, 'node-b')).toBe('refused');
    await csi.publishVolume(sharedOf(name, 'node-b'));
    expect([await joinAs(name, 'node-b'), await joinAs(name, 'node-c')]).toEqual(['connected', 'connected']);
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    expect(await exportOf(name)).toEqual(['yes', nqnOf('node-b')]);
    // The one that stays is not disturbed: so what came in during the window stays in, too, until the volume is detached.
    expect(await hostsOf(name)).toContain(nqnOf('node-b'));
    expect([await joinAs(name, 'node-a'), await joinAs(name, 'node-c')]).toEqual(['refused', 'refused']);
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-b' });
    expect([await exportOf(name), await hostsOf(name)]).toEqual([['no', ''], []]);
  });

  it('an older driver’s volume stays open to the nodes that use it until it is attached and detached here', async () => {
    const { csi, rds } = driver;
    const name = newName();
    const theirs = 'nqn.2014-08.org.nvmexpress:uuid:of-an-older-driver';
    await rds.addOrphan({
      kind: 'foreign-disk',
      slot: name,
      filePath: `/storage-pool/metal-csi/${name}.img`,
      values: {
        type: 'file',
        'nvme-tcp-export': 'yes',
        'nvme-tcp-server-port': '4420',
        'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${name}`,
      },
    });
    expect(await join(name, theirs)).toBe('connected');
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    await csi.unpublishVolume({ volumeId: name, nodeId: '' });
    expect(await hostsOf(name)).toEqual([theirs]);
    await csi.publishVolume(publishOf(name, 'node-a'));
    expect(await hostsOf(name)).toEqual([theirs]);
    expect(await exportOf(name)).toEqual(['yes', nqnOf('node-a')]);
    await csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    expect([await exportOf(name), await hostsOf(name)]).toEqual([['no', ''], []]);
  });

  it(
    'operations whose replies are lost after they took effect end right',
    async () => {
      await expect(loseReplies(driver, 'after')).resolves.toBeUndefined();
    },
    LOST_REPLIES_LIMIT_MS,
  );
});

describe('fencing that is switched', () => {
  const switchTo = async (fencing: string): Promise<Driver['csi']> => {
    await controller.program.stop();
    controller = await driver.startController({ config: { ...FENCED, fencing } });
    return controller.csi;
  };

  it('holds from the next publish on, and ends no session of a node that has the volume', async () => {
    const open = await switchTo('off');
    const [attached, free, closed] = [newName(), newName(), newName()];
    await open.createVolume(createOf(attached));
    await open.createVolume(createOf(free));
    await open.publishVolume(publishOf(attached, 'node-a'));
    await joinAs(attached, 'node-a');
    await joinAs(free, 'node-b');
    expect(await exportOf(attached)).toEqual(['yes', '']);

    const fenced = await switchTo('allow-host');
    await fenced.publishVolume(publishOf(attached, 'node-a'));
    expect(await exportOf(attached)).toEqual(['yes', nqnOf('node-a')]);
    expect([await hostsOf(attached), await joinAs(attached, 'node-b')]).toEqual([[nqnOf('node-a')], 'refused']);
    // Nobody has it: so nobody has a right to be connected.
    await fenced.publishVolume(publishOf(free, 'node-a'));
    expect([await hostsOf(free), await joinAs(free, 'node-b')]).toEqual([[], 'refused']);
    await fenced.createVolume(createOf(closed));

    const openAgain = await switchTo('off');
    for (const name of [attached, free, closed]) {
      await openAgain.publishVolume(publishOf(name, 'node-a'));
      expect(await exportOf(name)).toEqual(['yes', '']);
    }
    expect(await hostsOf(attached)).toEqual([nqnOf('node-a')]);
    await openAgain.unpublishVolume({ volumeId: attached, nodeId: 'node-a' });
    expect(await exportOf(attached)).toEqual(['yes', '']);
    await switchTo('allow-host');
  });
});

describe('kill -9 of the controller in the middle of a fenced operation', () => {
  it('leaves exports as the records say after the repeated calls', async () => {
    const { rds } = driver;
    const { csi } = controller;
    const [attached, detached, shared] = [await made(), await made(), await made()];
    await csi.publishVolume(publishOf(detached, 'node-a'));
    await csi.publishVolume(sharedOf(shared, 'node-a'));
    await csi.publishVolume(sharedOf(shared, 'node-b'));
    const callsOf = (caller: Driver['csi']) => [
      caller.publishVolume(publishOf(attached, 'node-a'), PATIENT_MS),
      caller.unpublishVolume({ volumeId: detached, nodeId: 'node-a' }, PATIENT_MS),
      caller.unpublishVolume({ volumeId: shared, nodeId: 'node-a' }, PATIENT_MS),
    ];
    const before = (await rds.scripts()).length;
    await rds.setLatency({ change: 1_500 });
    const lost = Promise.allSettled(callsOf(csi));
    await waitFor(
      async () => (await rds.scripts()).length - before >= 3,
      () => 'the commands were not sent',
    );
    await controller.program.kill();
    expect((await lost).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await rds.setLatency({ change: 0 });
    const second = await driver.startController({ config: FENCED });
    await Promise.all(callsOf(second.csi));
    expect(await exportOf(attached)).toEqual(['yes', nqnOf('node-a')]);
    expect(await exportOf(detached)).toEqual(['no', '']);
    expect(await exportOf(shared)).toEqual(['yes', nqnOf('node-b')]);
  });
});
