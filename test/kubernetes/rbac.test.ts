import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type KubernetesObject, KubernetesObjectApi, type V1PolicyRule } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { type Kubernetes as Connected, connectKubernetes } from '../../src/adapters/kubernetes/kubernetes';
import type { ClusterEvent } from '../../src/adapters/kubernetes/port';
import { waitFor } from '../kit/driver';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createAttachment, createClaim, createNode, createVolume, DRIVER } from '../kit/kubernetes-objects';

const FILE = path.resolve(__dirname, '../../deploy/rbac.yaml');
const NAMESPACE = 'rds-csi';
const NAME = 'rds-csi-controller';
const objects = parseAllDocuments(readFileSync(FILE, 'utf8')).map((document) => document.toJS() as KubernetesObject);
const rulesOf = (kind: string) =>
  (objects.find((object) => object.kind === kind) as unknown as { readonly rules: readonly V1PolicyRule[] }).rules;

/** Each verb on each resource, with the role that has it. */
const grants = ['ClusterRole', 'Role'].flatMap((role) =>
  rulesOf(role).flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ role, group, resource, verb }))),
    ),
  ),
);

function without({ apiGroups, resources, verbs }: V1PolicyRule, verb: string): V1PolicyRule {
  return {
    ...(apiGroups && { apiGroups }),
    ...(resources && { resources }),
    verbs: verbs.filter((each) => each !== verb),
  };
}

(hasKubernetes ? describe : describe.skip)('deploy/rbac.yaml', () => {
  let kubernetes: Kubernetes;
  let connected: Connected;
  const logged: string[] = [];

  beforeAll(async () => {
    kubernetes = await startKubernetes();
    const { client } = kubernetes;
    await client.core.createNamespace({ body: { metadata: { name: NAMESPACE } } });
    const api = KubernetesObjectApi.makeApiClient(client.config);
    for (const object of objects) await api.create(object);
    await createNode(client, 'node-a');
    await createVolume(client, { name: 'pv-1', volumeId: 'pvc-1', claim: { namespace: 'default', name: 'data' } });
    await createClaim(client, { namespace: 'default', name: 'data', volumeName: 'pv-1' });
    await createAttachment(client, { name: 'va-1', nodeName: 'node-a', volumeName: 'pv-1' });
    const log = (_fields: unknown, message: string) => logged.push(message);
    connected = connectKubernetes({
      access: { kind: 'kubeconfig', files: [await kubernetes.kubeconfigOf({ namespace: NAMESPACE, name: NAME })] },
      driverName: DRIVER,
      pod: { namespace: NAMESPACE, name: 'controller-0' },
      callLimitMs: 5_000,
      logger: { debug: log, info: log, warn: log, error: log },
    });
    await works();
  });
  afterAll(() => kubernetes?.stop());

  const event = (on: ClusterEvent['on'], message: string): ClusterEvent => {
    return { reason: 'VolumeAttached', type: 'Normal', message, on };
  };
  let count = 0;

  /** All that the code asks of Kubernetes, with nothing left over that it asked before: texts are new. */
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    findNode: () => connected.cluster.findNode('node-a'),
    listNodes: () => connected.cluster.listNodes(),
    listVolumes: () => connected.cluster.listVolumes(),
    listAttachments: () => connected.cluster.listAttachments(),
    'an event on a volume': () => connected.cluster.postEvent(event({ volumeId: 'pvc-1' }, `text ${count++}`)),
    'an event on our Pod': () => connected.cluster.postEvent(event({ kind: 'Controller' }, 'the same text')),
    watchNodes: async () => {
      const watched: string[] = [];
      const watcher = connected.watchNodes((changes) => watched.push(...changes.map(({ nodeId }) => nodeId)));
      const logs = logged.length;
      try {
        await waitFor(
          () => watcher.synced || logged.length > logs,
          () => 'the list neither came nor failed',
        );
        const name = `node-${count++}`;
        await createNode(kubernetes.client, name);
        await kubernetes.client.core.deleteNode({ name });
        await waitFor(
          () => watched.includes(name) || logged.length > logs,
          () => 'the watch neither told nor failed',
        );
        if (!watched.includes(name)) throw new Error(logged.at(-1));
      } finally {
        await watcher.stop();
      }
    },
  };

  const works = async (): Promise<void> => {
    for (const call of Object.values(calls)) {
      await waitFor(
        async () => call().then(() => true),
        async () => String(await call().catch((error) => error)),
      );
    }
  };

  const failures = async (): Promise<readonly string[]> => {
    const messages: string[] = [];
    for (const call of Object.values(calls)) await call().catch((error: Error) => messages.push(error.message));
    return messages;
  };

  const setRules = async (role: string, rules: readonly V1PolicyRule[]): Promise<void> => {
    const { rbac } = kubernetes.client;
    const body = [{ op: 'replace', path: '/rules', value: rules }];
    if (role === 'ClusterRole') await rbac.patchClusterRole({ name: NAME, body });
    else await rbac.patchNamespacedRole({ namespace: NAMESPACE, name: NAME, body });
  };

  it('grants everything that the code asks', async () => {
    expect(await failures()).toEqual([]);
  });

  it.each(grants)('grants nothing more: without $verb of $resource something fails, and says so', async (grant) => {
    const { role, group, resource, verb } = grant;
    const rules = rulesOf(role);
    const isIts = (rule: V1PolicyRule) => rule.resources?.includes(resource) && rule.apiGroups?.includes(group);
    const reduced = rules
      .map((rule) => (isIts(rule) ? without(rule, verb) : rule))
      .filter(({ verbs }) => verbs.length > 0);
    await setRules(role, reduced);
    const rule = `the controller's role lacks the rule apiGroups ["${group}"], resources ["${resource}"], verbs ["${verb}"]`;
    // The API server hears of a changed role a moment later.
    await waitFor(
      async () => (await failures()).length > 0,
      () => 'nothing fails',
    );
    for (const message of await failures()) expect(message).toContain(rule);
    await setRules(role, rules);
    await works();
  });
});
