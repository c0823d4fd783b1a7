import { askFor, type KubernetesApis } from './connection';
import { findVolume } from './objects';
import type { ClusterEvent, ClusterVolume, EventObject, EventVolume } from './port';

/** The object that an event names; `kubectl describe` finds the event by kind, name and UID. */
export interface EventTarget {
  readonly kind: string;
  readonly name: string;
  /** Undefined for what has none: nodes and PersistentVolumes. */
  readonly namespace: string | undefined;
  /** Undefined if the object is not there any more: the event then stands for itself. */
  readonly uid: string | undefined;
}

export interface TargetOptions {
  readonly apis: KubernetesApis;
  readonly driverName: string;
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
  /** The PersistentVolumes of the driver. */
  readonly listVolumes: () => Promise<readonly ClusterVolume[]>;
}

/** Where an event goes; undefined if there is nothing to post it on. Throws ClusterUnreachable. */
export async function findTarget(on: ClusterEvent['on'], options: TargetOptions): Promise<EventTarget | undefined> {
  if ('volumeId' in on) return await findVolumesTarget(on, options);
  if (on.kind === 'Controller') return await findOwnPod(options);
  const { kind, name } = on;
  const namespace = 'namespace' in on ? on.namespace : undefined;
  return { kind, name, namespace, uid: await findUid(on, options) };
}

async function findOwnPod(options: TargetOptions): Promise<EventTarget | undefined> {
  const { pod } = options;
  return pod && { kind: 'Pod', ...pod, uid: await findUid({ kind: 'Pod', ...pod }, options) };
}

/**
 * The claim that the volume is bound to, which may be another than the one it was made for; else its PersistentVolume; while it has
 * none, the claim that waits for it; else our Pod.
 */
async function findVolumesTarget(on: EventVolume, options: TargetOptions): Promise<EventTarget | undefined> {
  const volume = await findPersistentVolume(on.volumeId, options);
  const claim = volume ? volume.claim : on.claim;
  const claimUid = claim && (await findClaimUid(claim, volume?.name ?? on.volumeId, options));
  if (claim && claimUid !== undefined) return { kind: 'PersistentVolumeClaim', ...claim, uid: claimUid };
  if (volume) {
    const { name, uid } = volume;
    return { kind: 'PersistentVolume', name, namespace: undefined, uid };
  }
  return await findOwnPod(options);
}

/** By its name, which is the volume's ID if the provisioner has made it; else in the list of all. */
async function findPersistentVolume(
  volumeId: string,
  { apis, driverName, listVolumes }: TargetOptions,
): Promise<(ClusterVolume & { readonly uid: string | undefined }) | undefined> {
  const read = async (name: string) => {
    const call = { verb: 'get', group: '', resource: 'persistentvolumes', name } as const;
    const found = await askFor(apis, call, () => apis.core.readPersistentVolume({ name }));
    const volume = found && findVolume(found, driverName);
    return volume?.volumeId === volumeId ? { ...volume, uid: found?.metadata?.uid } : undefined;
  };
  const byId = await read(volumeId);
  if (byId) return byId;
  const listed = (await listVolumes()).find((volume) => volume.volumeId === volumeId);
  return listed && (await read(listed.name));
}

/** The claim's UID; undefined if there is none of this name, or it belongs to another volume. */
async function findClaimUid(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  volumeName: string,
  { apis }: TargetOptions,
): Promise<string | undefined> {
  const call = { verb: 'get', group: '', resource: 'persistentvolumeclaims', name } as const;
  const claim = await askFor(apis, call, () => apis.core.readNamespacedPersistentVolumeClaim({ namespace, name }));
  const bound = claim?.spec?.volumeName;
  return bound === undefined || bound === volumeName ? claim?.metadata?.uid : undefined;
}

/** The UID of the object; undefined if it is not there. */
async function findUid(on: NamedObject, { apis }: TargetOptions): Promise<string | undefined> {
  const { resource, read } = readerOf(on, apis);
  const found = await askFor(apis, { verb: 'get', group: '', resource, name: on.name }, read);
  return found?.metadata?.uid;
}

type NamedObject = Exclude<EventObject, { readonly kind: 'Controller' }>;

interface Reader {
  readonly resource: string;
  readonly read: () => Promise<{ readonly metadata?: { readonly uid?: string } }>;
}

function readerOf(on: NamedObject, { core }: KubernetesApis): Reader {
  const { name } = on;
  const named = { namespace: 'namespace' in on ? on.namespace : '', name };
  const readers: Readonly<Record<NamedObject['kind'], Reader>> = {
    Node: { resource: 'nodes', read: () => core.readNode({ name }) },
    PersistentVolume: { resource: 'persistentvolumes', read: () => core.readPersistentVolume({ name }) },
    PersistentVolumeClaim: {
      resource: 'persistentvolumeclaims',
      read: () => core.readNamespacedPersistentVolumeClaim(named),
    },
    Pod: { resource: 'pods', read: () => core.readNamespacedPod(named) },
  };
  return readers[on.kind];
}
