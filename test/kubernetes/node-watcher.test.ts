import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectApis } from '../../src/adapters/kubernetes/connection';
import { type NodeWatcher, startNodeWatcher } from '../../src/adapters/kubernetes/node-watcher';
import type { NodeChange } from '../../src/domain/node-changes';
import { waitFor } from '../kit/driver';
import { type FakeApiServer, startFakeApiServer } from '../kit/fake-api-server';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createNode, setOutOfService, setReady } from '../kit/kubernetes-objects';

/** A watcher, what it has told so far, and what it has logged. */
function watch(kubeconfig: string) {
  const told: (readonly NodeChange[])[] = [];
  const logged: string[] = [];
  const log = (_fields: unknown, message: string) => logged.push(message);
  const watcher = startNodeWatcher({
    apis: connectApis({ kind: 'kubeconfig', files: [kubeconfig] }, 5_000),
    logger: { debug: log, info: log, warn: log, error: log },
    onChanges: (changes) => told.push(changes),
  });
  const changes = () => told.flat().map(({ nodeId, what }) => `${nodeId} ${what}`);
  const tells = (expected: readonly string[], limitMs?: number) =>
    waitFor(
      () => [...changes()].sort().join() === [...expected].sort().join(),
      () => `told ${JSON.stringify(changes())}, not ${JSON.stringify(expected)}; logged ${JSON.stringify(logged)}`,
      limitMs,
    );
  return { watcher, told, logged, changes, tells };
}

const watchers: NodeWatcher[] = [];
const watchedAt = async (kubeconfig: string) => {
  const watched = watch(kubeconfig);
  watchers.push(watched.watcher);
  await waitFor(
    () => watched.watcher.synced,
    () => `it does not see the nodes: ${watched.logged.join('\n')}`,
  );
  return watched;
};
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.stop();
});

(hasKubernetes ? describe : describe.skip)('the node watcher on the real API server', () => {
  let kubernetes: Kubernetes;
  beforeAll(async () => {
    kubernetes = await startKubernetes();
  });
  afterAll(() => kubernetes?.stop());

  it('tells each change once, however many events arrive, and nothing of what was so before', async () => {
    const { client, kubeconfig } = kubernetes;
    await createNode(client, 'a');
    await createNode(client, 'b', 'False');
    await createNode(client, 'c');
    const { tells, changes } = await watchedAt(kubeconfig);

    for (const status of ['False', 'Unknown', 'False', 'False'] as const) await setReady(client, 'a', status);
    await tells(['a not-ready']);
    await setOutOfService(client, 'a', true);
    await tells(['a not-ready', 'a out-of-service']);
    await setReady(client, 'a', 'True');
    await setReady(client, 'a', 'True');
    await tells(['a not-ready', 'a out-of-service', 'a ready-again']);
    await client.core.deleteNode({ name: 'c' });
    await createNode(client, 'd');
    await createNode(client, 'marker');
    await client.core.deleteNode({ name: 'marker' });
    await tells(['a not-ready', 'a out-of-service', 'a ready-again', 'c deleted', 'marker deleted']);
    expect(changes().at(-1)).toBe('marker deleted');
    for (const name of ['a', 'b', 'd']) await client.core.deleteNode({ name });
  });

  it('tells ten nodes that are lost at once in a few words', async () => {
    const { client, kubeconfig } = kubernetes;
    const names = Array.from({ length: 20 }, (_, index) => `burst-${index}`);
    await Promise.all(names.map((name) => createNode(client, name)));
    const { tells, told } = await watchedAt(kubeconfig);
    await Promise.all(names.slice(0, 10).map((name) => client.core.deleteNode({ name })));
    await Promise.all(names.slice(10).map((name) => setReady(client, name, 'Unknown')));
    await tells(names.map((name, index) => `${name} ${index < 10 ? 'deleted' : 'not-ready'}`));
    expect(told.length).toBeLessThanOrEqual(4);
    await Promise.all(names.slice(10).map((name) => client.core.deleteNode({ name })));
  });

  it('survives a crash of the API server, and finds what happened before it looked again', async () => {
    const { client, kubeconfig } = kubernetes;
    for (const name of ['a', 'b', 'c', 'd']) await createNode(client, name);
    const { tells, logged } = await watchedAt(kubeconfig);
    await kubernetes.killApiServer();
    await waitFor(
      () => logged.some((line) => line.includes('are not watched now')),
      () => 'it has not noticed',
    );
    await kubernetes.startApiServer();
    await setReady(client, 'a', 'Unknown');
    await client.core.deleteNode({ name: 'b' });
    await client.core.deleteNode({ name: 'c' });
    await createNode(client, 'c');
    await tells(['a not-ready', 'b deleted', 'c deleted']);
    // And again, from a watch that was begun after the crash.
    await setReady(client, 'd', 'False');
    await tells(['a not-ready', 'b deleted', 'c deleted', 'd not-ready']);
    // One line for each cause of the outage, not for each try.
    const outage = logged.filter((line) => line.includes('are not watched now'));
    expect(new Set(outage).size).toBe(outage.length);
  });

  it('begins while the API server is down, and stops while it is', async () => {
    await kubernetes.killApiServer();
    const { watcher, logged } = watch(kubernetes.kubeconfig);
    await waitFor(
      () => logged.length > 0,
      () => 'it has not noticed',
    );
    expect(watcher.synced).toBe(false);
    await watcher.stop();
    const again = watch(kubernetes.kubeconfig);
    watchers.push(again.watcher);
    await kubernetes.startApiServer();
    await waitFor(
      () => again.watcher.synced,
      () => again.logged.join('\n'),
    );
    await createNode(kubernetes.client, 'late');
    await kubernetes.client.core.deleteNode({ name: 'late' });
    await again.tells(['late deleted']);
  });
});

describe('the node watcher on answers that a real API server seldom gives', () => {
  let server: FakeApiServer;
  afterEach(() => server.close());

  const node = (name: string, ready: 'True' | 'False', resourceVersion = '1') => ({
    kind: 'Node',
    metadata: { name, uid: name, resourceVersion },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  });
  const list = (version: string, ...items: readonly unknown[]) =>
    JSON.stringify({ kind: 'NodeList', metadata: { resourceVersion: version }, items });
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
  const lists = () => server.requests.filter((request) => !request.includes('watch=true')).length;
  const versionsWatched = () =>
    server.requests.flatMap((request) => /watch=true.*resourceVersion=(\w+)/.exec(request)?.[1] ?? []);

  it.each([
    ['410 Gone in the watch', line('ERROR', { kind: 'Status', code: 410, reason: 'Expired' })],
    ['an object that is no Node', line('MODIFIED', { kind: 'Status' })],
    ['a watch that ends at once', ''],
  ])('lists anew after %s', async (_fact, watchBody) => {
    let gone = false;
    server = await startFakeApiServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (!request.url?.includes('watch=true')) {
        response.end(gone ? list('2', node('b', 'False')) : list('1', node('a', 'True'), node('b', 'True')));
        return;
      }
      if (gone) response.flushHeaders();
      else response.end(watchBody);
      gone = true;
    });
    const { tells } = await watchedAt(server.kubeconfig);
    await tells(['a deleted', 'b not-ready']);
    expect(lists()).toBe(2);
    expect(versionsWatched()).toEqual(['1', '2']);
  });

  it('takes no answer that is no list for "all nodes are gone"', async () => {
    let broken = false;
    server = await startFakeApiServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (request.url?.includes('watch=true')) {
        response.end();
        broken = true;
      } else response.end(broken && lists() < 4 ? '{}' : list('1', node('a', 'True')));
    });
    const { watcher, changes } = watch(server.kubeconfig);
    watchers.push(watcher);
    await waitFor(
      () => lists() >= 5,
      () => 'it has given up',
    );
    expect(changes()).toEqual([]);
  });

  it('stops at once while a watch is not answered', async () => {
    server = await startFakeApiServer((request, response) => {
      if (request.url?.includes('watch=true')) return;
      response.writeHead(200, { 'content-type': 'application/json' }).end(list('1', node('a', 'True')));
    });
    const { watcher, logged } = await watchedAt(server.kubeconfig);
    await waitFor(
      () => versionsWatched().length === 1,
      () => 'it does not watch',
    );
    const startedAt = Date.now();
    await watcher.stop();
    expect(Date.now() - startedAt).toBeLessThan(1_000);
    expect(logged).toEqual([]);
  });

  it('leaves a connection that says nothing for half a minute, and goes on where it was', async () => {
    server = await startFakeApiServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (!request.url?.includes('watch=true')) response.end(list('1', node('a', 'True')));
      else if (request.url.includes('resourceVersion=7')) response.write(line('DELETED', node('a', 'True', '8')));
      else response.write(line('MODIFIED', node('a', 'False', '7')));
    });
    const { tells } = await watchedAt(server.kubeconfig);
    await tells(['a not-ready']);
    await tells(['a not-ready', 'a deleted'], 45_000);
    expect(lists()).toBe(1);
    expect(versionsWatched()).toEqual(['1', '7']);
  });
});
