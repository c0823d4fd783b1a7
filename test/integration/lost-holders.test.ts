import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hostNqnOf } from '../../src/domain/host-nqn';
import { parseNodeId } from '../../src/domain/nqn';
import { type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { type FakeApiServer, startFakeApiServer } from '../kit/fake-api-server';
import { LOST_REPLIES_LIMIT_MS, untilEnded } from '../kit/lost-replies';
import { createOf, newName, publishOf } from '../kit/requests';

const PATIENT_MS = 160_000;
/** Nodes that the cluster has; every other one is gone. */
const NODES = ['node-b', 'node-c'];

let api: FakeApiServer;
let driver: Driver;
let config: Record<string, unknown>;

/** An API server that knows Nodes, and takes no events: that nobody can be told holds nothing up. */
beforeAll(async () => {
  api = await startFakeApiServer((request, response) => {
    const [, name = ''] = /^\/api\/v1\/nodes\/([^?]+)/.exec(request.url ?? '') ?? [];
    const gone = { reason: 'NotFound', code: 404, status: 'Failure', details: { name, kind: 'nodes' } };
    const [code, body] = NODES.includes(name)
      ? [200, { kind: 'Node', apiVersion: 'v1', metadata: { name }, spec: {}, status: {} }]
      : [name === '' ? 500 : 404, { kind: 'Status', apiVersion: 'v1', ...(name === '' ? {} : gone) }];
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  config = { kubernetes: 'on', kubeconfig: api.kubeconfig, nodeCheck: 'off', fencing: 'allow-host', rdsMaxExecs: 10 };
  driver = await startDriver({ config });
});

afterAll(async () => {
  await driver.stop();
  api.close();
});

afterEach(async () => {
  await driver.rds.heal();
});

const nqnOf = (node: string): string => hostNqnOf(parseNodeId(node, 'node'));
const joinAs = async (name: string, node: string): Promise<string> =>
  (await driver.rds.connectHost(name, nqnOf(node))).outcome;
const hostsOf = async (name: string): Promise<string[]> =>
  (await driver.rds.sessions()).filter(({ slot }) => slot === name).map(({ hostNqn }) => hostNqn);
const exportOf = async (name: string) => {
  const [disk] = (await driver.rds.traces(name)).disks;
  return [disk?.['nvme-tcp-export'], disk?.['nvme-tcp-server-allow-host-name'] ?? ''];
};
const nodesOf = async (csi: Driver['csi'], name: string) =>
  (await csi.getVolume({ volumeId: name })).status?.publishedNodeIds;

/** A volume that `node-a` has, and is connected to; nobody knows that node any more. */
async function lostWithA(csi: Driver['csi'] = driver.csi): Promise<string> {
  const name = newName();
  await csi.createVolume(createOf(name));
  await csi.publishVolume(publishOf(name, 'node-a'));
  expect(await joinAs(name, 'node-a')).toBe('connected');
  return name;
}

describe('a publish that meets a lost holder', () => {
  it('clears it: its sessions end and cannot return', async () => {
    const name = await lostWithA();
    await driver.csi.publishVolume(publishOf(name, 'node-b'));
    expect(await nodesOf(driver.csi, name)).toEqual(['node-b']);
    expect([await hostsOf(name), await joinAs(name, 'node-a'), await joinAs(name, 'node-b')]).toEqual([
      [],
      'refused',
      'connected',
    ]);
    expect(await driver.controller.log()).toContain('"event":"StaleAttachmentCleared"');
    // The attacher's own detach of the lost node comes late, and takes nothing from the next one.
    await driver.csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' });
    expect(await hostsOf(name)).toEqual([nqnOf('node-b')]);
    const refused = await errorOf(driver.csi.publishVolume(publishOf(name, 'node-c')));
    expect([refused.code, refused.details]).toEqual([status.FAILED_PRECONDITION, expect.stringContaining('node-b')]);
  });

  it(
    'whose replies are lost at any of its commands, before or after they took effect, ends right',
    async () => {
      const lost = [1, 2, 3, 4, 5].flatMap((nth) => (['before', 'after'] as const).map((when) => ({ nth, when })));
      const names = await Promise.all(lost.map(() => lostWithA()));
      for (const [index, { nth, when }] of lost.entries()) {
        await driver.rds.addFault({ pattern: names[index] ?? '', nth, when, mode: 'reset' });
      }
      await Promise.all(
        names.map((name) => untilEnded(() => driver.csi.publishVolume(publishOf(name, 'node-b'), PATIENT_MS))),
      );
      expect((await driver.rds.state()).faults.filter(({ fired }) => fired > 0).length).toBeGreaterThan(7);
      for (const name of names) {
        expect(await nodesOf(driver.csi, name)).toEqual(['node-b']);
        expect([await exportOf(name), await hostsOf(name)]).toEqual([['yes', nqnOf('node-b')], []]);
      }
    },
    LOST_REPLIES_LIMIT_MS,
  );

  it('through two controllers at once, for two nodes: one gets the volume, and the lost one is gone', async () => {
    const second = await driver.startController({ config });
    const names = await Promise.all(Array.from({ length: 6 }, () => lostWithA()));
    const calls = names.flatMap((name) => [
      driver.csi.publishVolume(publishOf(name, 'node-b')),
      second.csi.publishVolume(publishOf(name, 'node-c')),
      driver.csi.unpublishVolume({ volumeId: name, nodeId: 'node-a' }),
      second.csi.publishVolume(publishOf(name, 'node-b')),
    ]);
    const endings = await Promise.allSettled(calls);
    const codes = endings.flatMap((ending) => (ending.status === 'rejected' ? [ending.reason.code] : []));
    expect(codes.filter((code) => code !== status.ABORTED && code !== status.FAILED_PRECONDITION)).toEqual([]);
    for (const name of names) {
      await driver.csi.publishVolume(publishOf(name, 'node-b')).catch(() => undefined);
      const held = (await nodesOf(driver.csi, name)) ?? [];
      expect([['node-b'], ['node-c']]).toContainEqual(held);
      expect(await nodesOf(second.csi, name)).toEqual(held);
      expect([await exportOf(name), await hostsOf(name)]).toEqual([['yes', nqnOf(held[0] ?? '')], []]);
    }
    await second.program.stop();
  });

  it('survives a kill of the controller in the middle of the clearing', async () => {
    const name = await lostWithA();
    const clearing = async (): Promise<boolean> =>
      (await driver.rds.scripts()).some(
        ({ script }) => script.includes(name) && script.includes('/disk set $o comment="rds-csi/1'),
      );
    await driver.rds.setLatency({ change: 2_000 });
    const lost = errorOf(driver.csi.publishVolume(publishOf(name, 'node-b'), PATIENT_MS));
    await waitFor(clearing, () => 'the clearing was not sent');
    await driver.controller.program.kill();
    expect((await lost).code).toBe(status.UNAVAILABLE);
    await driver.rds.setLatency({ change: 0 });
    const second = await driver.startController({ config });
    await second.csi.publishVolume(publishOf(name, 'node-b'), PATIENT_MS);
    expect(await nodesOf(second.csi, name)).toEqual(['node-b']);
    expect([await exportOf(name), await hostsOf(name)]).toEqual([['yes', nqnOf('node-b')], []]);
    expect([await joinAs(name, 'node-a'), await joinAs(name, 'node-b')]).toEqual(['refused', 'connected']);
  });
});
