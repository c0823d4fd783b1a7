import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClusterVolumes } from '../kit/cluster-volumes';
import { type Controller, type Driver, startDriver, waitFor } from '../kit/driver';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createNode } from '../kit/kubernetes-objects';
import { createOf, newName, publishOf } from '../kit/requests';

const NODES = Array.from({ length: 20 }, (_, index) => `node-${index}`);

let kubernetes: Kubernetes;
let driver: Driver;
let second: Controller;

(hasKubernetes ? describe : describe.skip)('two controllers', () => {
  beforeAll(async () => {
    kubernetes = await startKubernetes();
    for (const name of NODES) await createNode(kubernetes.client, name);
    const config = {
      kubernetes: 'on',
      kubeconfig: kubernetes.kubeconfig,
      nodeCheck: 'kubernetes',
      reconcileInterval: '1h',
      reconcileGrace: '30s',
    };
    driver = await startDriver({ config });
    second = await driver.startController({ config });
  });

  afterAll(async () => {
    await Promise.all([driver?.stop(), kubernetes?.stop()]);
  });

  const disksOf = async (volumeId: string) => (await driver.rds.traces(volumeId)).disks;
  const commentOf = async (volumeId: string) => String((await disksOf(volumeId))[0]?.comment);

  /** What the sidecars do: until the answer is no longer "it may still be running". */
  async function untilEnded(call: () => Promise<unknown>): Promise<string> {
    for (;;) {
      const code = await call().then(
        () => 'OK',
        (error: { code: number }) => status[error.code] ?? 'none',
      );
      if (!['ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(code)) return code;
    }
  }

  it('E2E-04: ten creates, deletes and a mix at once, on volumes of their own and on shared ones', async () => {
    const controllers = [driver.csi, second.csi];
    const each = <T>(act: (csi: (typeof controllers)[number], index: number) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: 10 }, (_, index) => act(controllers[index % 2] ?? driver.csi, index)));
    const names = Array.from({ length: 10 }, newName);
    const shared = newName();

    const made = await each((csi, index) => untilEnded(() => csi.createVolume(createOf(names[index] ?? ''))));
    const sharedMade = await each((csi) => untilEnded(() => csi.createVolume(createOf(shared))));
    expect([...made, ...sharedMade]).toEqual(Array.from({ length: 20 }, () => 'OK'));
    for (const name of [...names, shared]) expect(await disksOf(name)).toHaveLength(1);

    // One node gets the shared one: the others are told who has it.
    const attached = await each((csi, index) =>
      untilEnded(() => csi.publishVolume(publishOf(shared, `node-${index}`))),
    );
    expect(attached.toSorted()).toEqual([...Array.from({ length: 9 }, () => 'FAILED_PRECONDITION'), 'OK']);
    const [holder] = /node-\d+/.exec(await commentOf(shared)) ?? [];
    expect(attached.indexOf('OK')).toBe(Number(holder?.slice('node-'.length)));

    const mixed = await each((csi, index) => {
      const name = names[index] ?? '';
      const acts = [
        () => csi.publishVolume(publishOf(name, `node-${index}`)),
        () => csi.deleteVolume({ volumeId: name }),
        () => csi.expandVolume({ volumeId: name, capacityRange: { requiredBytes: 2n ** 31n } }),
        () => csi.unpublishVolume({ volumeId: shared, nodeId: `node-${index}` }),
      ];
      return untilEnded(acts[index % acts.length] ?? (() => Promise.resolve()));
    });
    expect(mixed).toEqual(Array.from({ length: 10 }, () => 'OK'));
    for (const [index, name] of names.entries()) {
      const deleted = index % 4 === 1;
      expect(await disksOf(name)).toHaveLength(deleted ? 0 : 1);
      if (index % 4 === 0) expect(await commentOf(name)).toContain(`nodes=node-${index}:`);
    }

    for (const name of [...names, shared]) {
      await untilEnded(() => driver.csi.unpublishVolume({ volumeId: name, nodeId: '' }));
    }
    const deleted = await Promise.all(
      [...names, shared].flatMap((volumeId) =>
        controllers.map((csi) => untilEnded(() => csi.deleteVolume({ volumeId }))),
      ),
    );
    expect(new Set(deleted)).toEqual(new Set(['OK']));
    for (const name of [...names, shared]) expect(await driver.rds.traces(name)).toEqual({ disks: [], files: [] });
  });

  it('200 attachments on 20 nodes, 10 of which are deleted at once: all are cleared within 60 s', async () => {
    const volumes = createClusterVolumes(kubernetes, driver.csi);
    const held: { readonly volumeId: string; readonly nodeId: string }[] = [];
    for (const nodeId of NODES) {
      const ofNode = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const volumeId = await volumes.provision();
          await volumes.attach(volumeId, nodeId);
          return { volumeId, nodeId };
        }),
      );
      held.push(...ofNode);
    }
    const lost = NODES.slice(0, 10);
    const scriptsBefore = (await driver.rds.scripts()).length;
    const begun = Date.now();
    await Promise.all(lost.map((name) => kubernetes.client.core.deleteNode({ name })));
    const left = async () => {
      const { disks } = await driver.rds.state();
      return disks.filter(({ values }) => lost.some((name) => String(values.comment).includes(`nodes=${name}:`)));
    };
    await waitFor(
      async () => (await left()).length === 0,
      async () => `${(await left()).length} attachments are left`,
      90_000,
    );
    const seconds = (Date.now() - begun) / 1_000;
    const scripts = (await driver.rds.scripts()).length - scriptsBefore;
    process.stderr.write(`100 attachments cleared in ${seconds} s, with ${scripts} scripts\n`);
    expect(seconds).toBeLessThan(60);
    expect(scripts / 100).toBeLessThanOrEqual(5);
    const { disks } = await driver.rds.state();
    const kept = disks.filter(({ values }) => /nodes=node-1[0-9]:/.test(String(values.comment)));
    expect(kept).toHaveLength(100);
    for (const nodeId of NODES) {
      await Promise.all(held.filter((each) => each.nodeId === nodeId).map(({ volumeId }) => volumes.end(volumeId)));
    }
  }, 600_000);
});
