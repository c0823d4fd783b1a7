import type { V1Node, V1PersistentVolume, V1VolumeAttachment } from '@kubernetes/client-node';
import type { AdminClient } from './kubernetes';

/** Objects of a cluster as tests make them by hand: no kubelet, provisioner or attacher runs. */

export const DRIVER = 'rds.csi.srvlab.io';
export const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

type ReadyStatus = 'True' | 'False' | 'Unknown';

export async function createNode({ core }: AdminClient, name: string, ready: ReadyStatus = 'True'): Promise<V1Node> {
  await core.createNode({ body: { metadata: { name } } });
  return await writeReady(core, name, ready);
}

/** As a kubelet, or the node lifecycle controller, would say it. */
export async function setReady({ core }: AdminClient, name: string, ready: ReadyStatus): Promise<V1Node> {
  return await writeReady(core, name, ready);
}

async function writeReady(core: AdminClient['core'], name: string, status: ReadyStatus): Promise<V1Node> {
  const node = await core.readNode({ name });
  const others = node.status?.conditions?.filter(({ type }) => type !== 'Ready') ?? [];
  const now = new Date();
  const ready = {
    type: 'Ready',
    status,
    reason: 'Test',
    message: 'Test',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  return await core.patchNodeStatus({
    name,
    body: [{ op: 'add', path: '/status/conditions', value: [...others, ready] }],
  });
}

/** A person vouches that the node is off, or takes that back. */
export async function setOutOfService({ core }: AdminClient, name: string, outOfService: boolean): Promise<void> {
  const node = await core.readNode({ name });
  const others = node.spec?.taints?.filter(({ key }) => key !== OUT_OF_SERVICE) ?? [];
  const taint = { key: OUT_OF_SERVICE, value: 'nodeshutdown', effect: 'NoExecute' };
  const taints = outOfService ? [...others, taint] : others;
  await core.patchNode({ name, body: [{ op: 'add', path: '/spec/taints', value: taints }] });
}

export interface TestVolume {
  /** Of the PersistentVolume. */
  readonly name: string;
  readonly volumeId: string;
  readonly driver?: string;
  readonly claim?: { readonly namespace: string; readonly name: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export async function createVolume({ core }: AdminClient, volume: TestVolume): Promise<V1PersistentVolume> {
  const { name, volumeId, driver = DRIVER, claim, annotations = {} } = volume;
  return await core.createPersistentVolume({
    body: {
      metadata: { name, annotations: { ...annotations } },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: '',
        csi: { driver, volumeHandle: volumeId },
        ...(claim && { claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim } }),
      },
    },
  });
}

export interface TestClaim {
  readonly namespace: string;
  readonly name: string;
  /** Of the PersistentVolume that it is to be bound to; none: it waits. */
  readonly volumeName?: string;
}

export async function createClaim({ core }: AdminClient, { namespace, name, volumeName }: TestClaim) {
  return await core.createNamespacedPersistentVolumeClaim({
    namespace,
    body: {
      metadata: { name },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
        // A class that nobody serves: no PersistentVolume of a test is bound to it by chance.
        storageClassName: volumeName === undefined ? 'nobody-serves-it' : '',
        ...(volumeName !== undefined && { volumeName }),
      },
    },
  });
}

export interface TestAttachment {
  readonly name: string;
  readonly nodeName: string;
  /** Of the PersistentVolume. */
  readonly volumeName: string;
  readonly attacher?: string;
  /** Whether the attacher has said that it is attached. */
  readonly attached?: boolean;
}

export async function createAttachment(
  { storage }: AdminClient,
  { name, nodeName, volumeName, attacher = DRIVER, attached = true }: TestAttachment,
): Promise<V1VolumeAttachment> {
  const made = await storage.createVolumeAttachment({
    body: { metadata: { name }, spec: { attacher, nodeName, source: { persistentVolumeName: volumeName } } },
  });
  if (!attached) return made;
  return await storage.patchVolumeAttachmentStatus({
    name,
    body: [{ op: 'add', path: '/status', value: { attached: true } }],
  });
}
