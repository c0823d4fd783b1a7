import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createCluster } from '../../src/adapters/kubernetes/cluster';
import { connectApis } from '../../src/adapters/kubernetes/connection';
import type { ClusterEvent, ClusterPort } from '../../src/adapters/kubernetes/port';
import { startFakeApiServer } from '../kit/fake-api-server';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import {
  createAttachment,
  createClaim,
  createNode,
  createVolume,
  DRIVER,
  setOutOfService,
  setReady,
} from '../kit/kubernetes-objects';

const CALL_LIMIT_MS = 5_000;
const OTHER_DRIVER = 'other.csi.example';

function clusterAt(kubeconfig: string, callLimitMs = CALL_LIMIT_MS): ClusterPort {
  const apis = connectApis({ kind: 'kubeconfig', files: [kubeconfig] }, callLimitMs);
  return createCluster({ apis, driverName: DRIVER, pod: { namespace: 'default', name: 'controller-0' } });
}

(hasKubernetes ? describe : describe.skip)('the cluster, asked over the real API server', () => {
  let kubernetes: Kubernetes;
  let cluster: ClusterPort;
  beforeAll(async () => {
    kubernetes = await startKubernetes();
    cluster = clusterAt(kubernetes.kubeconfig);
  });
  afterAll(() => kubernetes?.stop());

  describe('nodes', () => {
    it('are ready, not ready, or out of service', async () => {
      const { client } = kubernetes;
      await createNode(client, 'node-a');
      await createNode(client, 'node-b', 'Unknown');
      await createNode(client, 'node-c', 'False');
      await setOutOfService(client, 'node-c', true);
      const a = { nodeId: 'node-a', ready: true, outOfService: false };
      const b = { nodeId: 'node-b', ready: false, outOfService: false };
      const c = { nodeId: 'node-c', ready: false, outOfService: true };
      expect(await cluster.listNodes()).toEqual([a, b, c]);
      expect(await cluster.findNode('node-a')).toEqual(a);
      expect(await cluster.findNode('node-c')).toEqual(c);
      await setReady(client, 'node-a', 'False');
      expect(await cluster.findNode('node-a')).toEqual({ ...a, ready: false });
    });

    it('are absent only when the API server says so of that very node', async () => {
      expect(await cluster.findNode('node-x')).toBeUndefined();
      // Without a name the path is that of the list.
      await expect(cluster.findNode('')).rejects.toMatchObject({ kind: 'ClusterUnreachable' });
    });

    it('are listed page by page', async () => {
      const names = Array.from({ length: 601 }, (_, index) => `many-${index}`);
      for (let from = 0; from < names.length; from += 100) {
        const some = names.slice(from, from + 100);
        await Promise.all(
          some.map((name) => kubernetes.client.core.createNode({ body: { metadata: { name, labels: { many: '' } } } })),
        );
      }
      const listed = new Set((await cluster.listNodes()).map(({ nodeId }) => nodeId));
      expect(names.filter((name) => !listed.has(name))).toEqual([]);
      await kubernetes.client.core.deleteCollectionNode({ labelSelector: 'many' });
    });
  });

  describe('volumes and attachments', () => {
    it('are the driver’s own, by volume ID', async () => {
      const { client } = kubernetes;
      await createVolume(client, { name: 'pv-1', volumeId: 'pvc-1', claim: { namespace: 'default', name: 'data' } });
      await createVolume(client, { name: 'pv-2', volumeId: 'pvc-2' });
      await createVolume(client, { name: 'pv-3', volumeId: 'pvc-1', driver: OTHER_DRIVER });
      await createAttachment(client, { name: 'va-1', nodeName: 'node-a', volumeName: 'pv-1' });
      await createAttachment(client, { name: 'va-2', nodeName: 'gone', volumeName: 'pv-2', attached: false });
      await createAttachment(client, { name: 'va-3', nodeName: 'node-a', volumeName: 'pv-3', attacher: OTHER_DRIVER });
      await createAttachment(client, { name: 'va-4', nodeName: 'node-b', volumeName: 'pv-unknown' });
      // The pv-protection controller holds a volume that is bound; one that nobody holds is gone at once.
      await client.storage.patchVolumeAttachment({
        name: 'va-1',
        body: [{ op: 'add', path: '/metadata/finalizers', value: ['test.example/hold'] }],
      });
      await client.storage.deleteVolumeAttachment({ name: 'va-1' });

      expect(await cluster.listVolumes()).toEqual([
        { name: 'pv-1', volumeId: 'pvc-1', claim: { namespace: 'default', name: 'data' }, deleting: false },
        { name: 'pv-2', volumeId: 'pvc-2', deleting: false },
      ]);
      const state = { attached: true, deleting: false };
      expect(await cluster.listAttachments()).toEqual([
        { ...state, name: 'va-1', volumeId: 'pvc-1', volumeName: 'pv-1', nodeId: 'node-a', deleting: true },
        { ...state, name: 'va-2', volumeId: 'pvc-2', volumeName: 'pv-2', nodeId: 'gone', attached: false },
        { ...state, name: 'va-4', volumeId: undefined, volumeName: 'pv-unknown', nodeId: 'node-b' },
      ]);
    });
  });

  describe('events', () => {
    const event = (change: Partial<ClusterEvent>): ClusterEvent => ({
      reason: 'VolumeAttached',
      type: 'Normal',
      message: 'attached',
      on: { kind: 'Node', name: 'node-a' },
      ...change,
    });
    const eventsOf = async (namespace: string, kind: string, name: string) => {
      // Kubernetes's own controllers post, too.
      const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name},source=${DRIVER}`;
      const { items } = await kubernetes.client.core.listNamespacedEvent({ namespace, fieldSelector });
      return items.map(({ reason, type, message, count, involvedObject }) => {
        return { reason, type, message, count, uid: involvedObject.uid };
      });
    };

    it('stand on objects of every kind, with the UID that kubectl describe looks for', async () => {
      const { core } = kubernetes.client;
      await core.createNamespace({ body: { metadata: { name: 'shop' } } });
      await createClaim(kubernetes.client, { namespace: 'shop', name: 'data' });
      const claimUid = (await core.readNamespacedPersistentVolumeClaim({ namespace: 'shop', name: 'data' })).metadata
        ?.uid;
      await cluster.postEvent(event({ on: { kind: 'PersistentVolumeClaim', namespace: 'shop', name: 'data' } }));
      const posted = { reason: 'VolumeAttached', type: 'Normal', message: 'attached', count: 1 };
      expect(await eventsOf('shop', 'PersistentVolumeClaim', 'data')).toEqual([{ ...posted, uid: claimUid }]);

      await createVolume(kubernetes.client, { name: 'pv-events', volumeId: 'pvc-events' });
      const volumeUid = (await core.readPersistentVolume({ name: 'pv-events' })).metadata?.uid;
      await cluster.postEvent(event({ on: { kind: 'PersistentVolume', name: 'pv-events' } }));
      expect(await eventsOf('default', 'PersistentVolume', 'pv-events')).toEqual([{ ...posted, uid: volumeUid }]);

      await createNode(kubernetes.client, 'node-events');
      const nodeUid = (await core.readNode({ name: 'node-events' })).metadata?.uid;
      await cluster.postEvent(event({ on: { kind: 'Node', name: 'node-events' }, type: 'Warning' }));
      expect(await eventsOf('default', 'Node', 'node-events')).toEqual([{ ...posted, type: 'Warning', uid: nodeUid }]);

      await createPod('controller-0');
      const podUid = (await core.readNamespacedPod({ namespace: 'default', name: 'controller-0' })).metadata?.uid;
      await cluster.postEvent(event({ on: { kind: 'Controller' } }));
      expect(await eventsOf('default', 'Pod', 'controller-0')).toEqual([{ ...posted, uid: podUid }]);
    });

    it('stand on what is gone, too', async () => {
      await cluster.postEvent(event({ on: { kind: 'Node', name: 'node-gone' }, reason: 'StaleAttachmentCleared' }));
      expect(await eventsOf('default', 'Node', 'node-gone')).toMatchObject([{ reason: 'StaleAttachmentCleared' }]);
    });

    it('of a volume stand on its claim, else its PersistentVolume, else the controller’s Pod', async () => {
      const { client } = kubernetes;
      // A claim that waits for its volume.
      await createClaim(client, { namespace: 'default', name: 'waits' });
      const waits = { namespace: 'default', name: 'waits' };
      await cluster.postEvent(event({ on: { volumeId: 'pvc-w', claim: waits }, message: 'waits' }));
      expect(await eventsOf('default', 'PersistentVolumeClaim', 'waits')).toMatchObject([{ message: 'waits' }]);
      // Bound, under a PersistentVolume of another name than the volume; the record's claim is an old one.
      await createVolume(client, { name: 'pv-b', volumeId: 'pvc-b', claim: { namespace: 'default', name: 'bound' } });
      await createClaim(client, { namespace: 'default', name: 'bound', volumeName: 'pv-b' });
      await cluster.postEvent(event({ on: { volumeId: 'pvc-b', claim: waits }, message: 'bound' }));
      expect(await eventsOf('default', 'PersistentVolumeClaim', 'bound')).toMatchObject([{ message: 'bound' }]);
      // Kept for a claim that is gone.
      await createVolume(client, {
        name: 'pvc-k',
        volumeId: 'pvc-k',
        claim: { namespace: 'default', name: 'no-more' },
      });
      await cluster.postEvent(event({ on: { volumeId: 'pvc-k' }, message: 'kept' }));
      expect(await eventsOf('default', 'PersistentVolume', 'pvc-k')).toMatchObject([{ message: 'kept' }]);
      // The claim's name is taken by another volume's by now.
      await cluster.postEvent(
        event({ on: { volumeId: 'pvc-n', claim: { namespace: 'default', name: 'bound' } }, message: 'nowhere' }),
      );
      expect(await eventsOf('default', 'Pod', 'controller-0')).toMatchObject(
        expect.arrayContaining([expect.objectContaining({ message: 'nowhere' })]),
      );
    });

    it('that repeat are counted in one, by several processes too', async () => {
      const on = { kind: 'Node', name: 'node-repeats' } as const;
      const others = [clusterAt(kubernetes.kubeconfig), clusterAt(kubernetes.kubeconfig)];
      for (const each of [cluster, ...others, cluster]) await each.postEvent(event({ on }));
      expect(await eventsOf('default', 'Node', 'node-repeats')).toMatchObject([{ count: 4, message: 'attached' }]);
      await Promise.all(others.map((each) => each.postEvent(event({ on }))));
      expect(await eventsOf('default', 'Node', 'node-repeats')).toMatchObject([{ count: 6 }]);
    });

    it('of ever other texts do not pile up, and long ones are cut', async () => {
      const on = { kind: 'Node', name: 'node-flood' } as const;
      for (let index = 0; index < 15; index++) await cluster.postEvent(event({ on, message: `text ${index}` }));
      const events = await eventsOf('default', 'Node', 'node-flood');
      expect(events).toHaveLength(11);
      expect(events.find(({ count }) => count === 5)?.message).toBe('(combined from similar events): text 14');
      await cluster.postEvent(event({ on: { kind: 'Node', name: 'node-long' }, message: '€'.repeat(2_000) }));
      const [long] = await eventsOf('default', 'Node', 'node-long');
      expect(Buffer.byteLength(long?.message ?? '')).toBeLessThanOrEqual(1_024);
      expect(long?.message).toMatch(/^€{340}…$/);
    });

    async function createPod(name: string): Promise<void> {
      const containers = [{ name: 'main', image: 'none' }];
      await kubernetes.client.core.createNamespacedPod({
        namespace: 'default',
        body: { metadata: { name }, spec: { containers } },
      });
    }
  });

  it('says so while the API server is down, and answers when it is back', async () => {
    await kubernetes.killApiServer();
    await expect(cluster.findNode('node-a')).rejects.toMatchObject({
      kind: 'ClusterUnreachable',
      retryable: true,
      message: expect.stringMatching(
        /^Kubernetes could not be asked to get nodes node-a: API server \S+: .*ECONNREFUSED/,
      ),
    });
    await expect(cluster.listAttachments()).rejects.toMatchObject({ kind: 'ClusterUnreachable' });
    await kubernetes.startApiServer();
    expect(await cluster.findNode('node-a')).toMatchObject({ nodeId: 'node-a' });
  });
});

describe('something else in the place of the API server', () => {
  const serve = async (status: number, body: string) => {
    const server = await startFakeApiServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    return { cluster: clusterAt(server.kubeconfig), server };
  };
  const notFound = (details: Record<string, unknown>) =>
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, details });

  it.each([
    ['a page of a proxy, in place of 404', 404, '<html>404</html>'],
    ['a JSON of a proxy, in place of 404', 404, '{"message":"no route"}'],
    ['a 404 about another node', 404, notFound({ kind: 'nodes', name: 'node-b' })],
    ['a 404 about another kind', 404, notFound({ kind: 'pods', name: 'node-a' })],
    ['a 404 about nothing', 404, notFound({})],
    ['an empty object', 200, '{}'],
    ['nothing', 200, ''],
    ['another node', 200, '{"kind":"Node","metadata":{"name":"node-b"}}'],
    ['a broken answer', 200, '{"kind":"Node"'],
    ['an overload', 429, '{"kind":"Status","reason":"TooManyRequests"}'],
    ['a failure', 500, 'etcd is away'],
  ])('is never taken for "no such node": %s', async (_fact, status, body) => {
    const { cluster, server } = await serve(status, body);
    await expect(cluster.findNode('node-a')).rejects.toMatchObject({ kind: 'ClusterUnreachable' });
    await expect(cluster.listNodes()).rejects.toMatchObject({ kind: 'ClusterUnreachable' });
    server.close();
  });

  it('is taken for it when it says so', async () => {
    const { cluster, server } = await serve(404, notFound({ kind: 'nodes', name: 'node-a' }));
    expect(await cluster.findNode('node-a')).toBeUndefined();
    server.close();
  });

  it('is waited for as long as the limit says, if it says nothing', async () => {
    const server = await startFakeApiServer(() => {});
    const cluster = clusterAt(server.kubeconfig, 300);
    const startedAt = Date.now();
    await expect(cluster.findNode('node-a')).rejects.toMatchObject({
      kind: 'ClusterUnreachable',
      message: expect.stringContaining('no answer within 0.3 s'),
    });
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    expect(server.requests).toEqual(['GET /api/v1/nodes/node-a']);
    server.close();
  });
});
