import type { ClusterAttachment, ClusterEvent, ClusterNode, ClusterPort } from '../../src/adapters/kubernetes/port';

export interface FakeCluster extends ClusterPort {
  /** What is there, by node ID. */
  readonly nodes: Map<string, ClusterNode>;
  readonly attachments: ClusterAttachment[];
  /** Volume IDs that a PersistentVolume is about. */
  readonly persistentVolumes: Set<string>;
  /** What was posted, in order. */
  readonly events: ClusterEvent[];
  /** What a test does to the API server: called before each call, it may wait, or throw a Fault instead of it. */
  trouble: (call: keyof ClusterPort) => Promise<void> | void;
  /** A VolumeAttachment. */
  attach(volumeId: string, nodeId: string): void;
  /** A Node of this name that is ready, or in another state. */
  put(nodeId: string, state?: Partial<ClusterNode>): void;
}

/** A Kubernetes cluster in memory, as port.ts has it. */
export function createFakeCluster(...nodeIds: readonly string[]): FakeCluster {
  const nodes = new Map<string, ClusterNode>();
  const attachments: ClusterAttachment[] = [];
  const persistentVolumes = new Set<string>();
  const events: ClusterEvent[] = [];
  const call = async <T>(name: keyof ClusterPort, effect: () => T): Promise<T> => {
    await fake.trouble(name);
    return effect();
  };
  const fake: FakeCluster = {
    nodes,
    attachments,
    persistentVolumes,
    events,
    trouble: () => undefined,
    attach: (volumeId, nodeId) => {
      const name = `csi-${attachments.length}`;
      attachments.push({ name, volumeId, volumeName: volumeId, nodeId, attached: true, deleting: false });
    },
    put: (nodeId, state = {}) => {
      nodes.set(nodeId, { nodeId, ready: true, outOfService: false, ...state });
    },
    findNode: (nodeId) => call('findNode', () => nodes.get(nodeId)),
    listNodes: () => call('listNodes', () => [...nodes.values()]),
    listAttachments: () => call('listAttachments', () => [...attachments]),
    listVolumes: () =>
      call('listVolumes', () =>
        [...persistentVolumes].map((volumeId) => ({ name: volumeId, volumeId, deleting: false })),
      ),
    postEvent: (event) => call('postEvent', () => void events.push(event)),
  };
  for (const nodeId of nodeIds) fake.put(nodeId);
  return fake;
}
