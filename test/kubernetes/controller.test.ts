import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver, waitFor } from '../kit/driver';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createNode, setReady } from '../kit/kubernetes-objects';
import { createOf, newName, publishOf } from '../kit/requests';

(hasKubernetes ? describe : describe.skip)('the controller in a Kubernetes cluster', () => {
  let kubernetes: Kubernetes;
  let driver: Driver;
  const config = () => ({ kubernetes: 'on', kubeconfig: kubernetes.kubeconfig, nodeCheck: 'kubernetes' });

  beforeAll(async () => {
    kubernetes = await startKubernetes();
    driver = await startDriver({ config: config() });
  });
  afterAll(async () => {
    await Promise.all([driver?.stop(), kubernetes?.stop()]);
  });

  it('attaches to Nodes that there are, ready or not, and to no other', async () => {
    const { volume } = await driver.csi.createVolume(createOf(newName()));
    const volumeId = volume?.volumeId ?? '';
    await createNode(kubernetes.client, 'node-a', 'False');
    const refused = await errorOf(driver.csi.publishVolume(publishOf(volumeId, 'node-x')));
    expect(refused).toMatchObject({
      code: status.NOT_FOUND,
      details: 'node node-x is not known: Kubernetes has no Node of this name',
    });
    await driver.csi.publishVolume(publishOf(volumeId, 'node-a'));
    await driver.csi.unpublishVolume({ volumeId, nodeId: 'node-a' });
  });

  it('hears of each lost node once, and has reconcile look', async () => {
    await createNode(kubernetes.client, 'node-b');
    await createNode(kubernetes.client, 'node-c');
    const log = () => driver.controller.log();
    await setReady(kubernetes.client, 'node-b', 'Unknown');
    await setReady(kubernetes.client, 'node-b', 'False');
    await kubernetes.client.core.deleteNode({ name: 'node-c' });
    const told = async () => (await log()).match(/"node node-[bc] [^"]*"/g) ?? [];
    await waitFor(
      async () => (await told()).length >= 2,
      async () => `it does not say so:\n${await log()}`,
    );
    await waitFor(
      async () => (await log()).includes('reconcile was triggered: nodes are lost: '),
      async () => `reconcile was not triggered:\n${await log()}`,
    );
    expect((await told()).sort()).toEqual([
      '"node node-b is not ready any more"',
      '"node node-c was deleted from Kubernetes"',
    ]);
  });

  it('starts while the API server is down; who attaches learns why it waits, and it goes on by itself', async () => {
    const { volume } = await driver.csi.createVolume(createOf(newName()));
    const volumeId = volume?.volumeId ?? '';
    await kubernetes.killApiServer();
    // Ready all the same: what needs no Kubernetes is served.
    const controller = await driver.startController({ config: config() });
    await controller.csi.getVolume({ volumeId });
    const waiting = await errorOf(controller.csi.publishVolume(publishOf(volumeId, 'node-a'), 4_000));
    expect(waiting.code).toBe(status.ABORTED);
    expect(waiting.details).toMatch(
      /requireNode, attempt \d+, last failure: Kubernetes could not be asked to get nodes node-a: API server/,
    );
    await kubernetes.startApiServer();
    await controller.csi.publishVolume(publishOf(volumeId, 'node-a'), 30_000);
  });
});
