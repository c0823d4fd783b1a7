import type { V1Node, V1PersistentVolume, V1VolumeAttachment } from '@kubernetes/client-node';
import { Fault } from '../../domain/fault';
import { ask, type Call, type KubernetesApis } from './connection';

const PAGE = 500;
/** A list that outlives its snapshot (etcd keeps them for minutes) is begun anew so many times. */
const LIST_ATTEMPTS = 3;

interface Page<Item> {
  readonly kind?: string;
  readonly items?: readonly Item[];
  readonly metadata?: { readonly _continue?: string; readonly resourceVersion?: string };
}

export interface Listed<Item> {
  readonly items: readonly Item[];
  /** The moment that the list shows; a watch goes on from there. */
  readonly resourceVersion: string;
}

interface PageRequest {
  readonly limit: number;
  readonly _continue?: string;
}

interface ListOptions<Item> {
  readonly call: Call;
  /** Of the answer: `NodeList`. */
  readonly kind: string;
  readonly request: (page: PageRequest) => Promise<Page<Item>>;
}

export function listNodes(apis: KubernetesApis): Promise<Listed<V1Node>> {
  const call = { verb: 'list', group: '', resource: 'nodes' } as const;
  return listAll(apis, { call, kind: 'NodeList', request: (page) => apis.core.listNode(page) });
}

export function listVolumes(apis: KubernetesApis): Promise<Listed<V1PersistentVolume>> {
  const call = { verb: 'list', group: '', resource: 'persistentvolumes' } as const;
  return listAll(apis, {
    call,
    kind: 'PersistentVolumeList',
    request: (page) => apis.core.listPersistentVolume(page),
  });
}

export function listAttachments(apis: KubernetesApis): Promise<Listed<V1VolumeAttachment>> {
  const call = { verb: 'list', group: 'storage.k8s.io', resource: 'volumeattachments' } as const;
  return listAll(apis, {
    call,
    kind: 'VolumeAttachmentList',
    request: (page) => apis.storage.listVolumeAttachment(page),
  });
}

/**
 * Every item, at one moment: no resourceVersion is named, so that the API server answers with what etcd has now, and all pages are
 * of the first one's snapshot. Throws ClusterUnreachable.
 */
async function listAll<Item>(apis: KubernetesApis, options: ListOptions<Item>): Promise<Listed<Item>> {
  for (let attempt = 1; ; attempt++) {
    const listed = await listOnce(apis, options, attempt < LIST_ATTEMPTS);
    if (listed) return listed;
  }
}

async function listOnce<Item>(
  apis: KubernetesApis,
  { call, kind, request }: ListOptions<Item>,
  mayBeginAnew: boolean,
): Promise<Listed<Item> | undefined> {
  const items: Item[] = [];
  let token: string | undefined;
  for (;;) {
    const next = { limit: PAGE, ...(token !== undefined && { _continue: token }) };
    try {
      const page = await ask(apis, call, () => request(next));
      if (page.kind !== kind || !Array.isArray(page.items) || !page.metadata?.resourceVersion) throw noList(kind);
      items.push(...page.items);
      token = page.metadata._continue || undefined;
      if (token === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
    } catch (error) {
      // The rest of a list of a moment that is gone would be of another: begin anew.
      if (token !== undefined && mayBeginAnew && isExpired(error)) return undefined;
      throw error;
    }
  }
}

function noList(kind: string): Fault {
  return new Fault('ClusterUnreachable', `what answers in the place of the Kubernetes API server gave no ${kind}`);
}

function isExpired(error: unknown): boolean {
  const cause = error instanceof Fault ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 410;
}
