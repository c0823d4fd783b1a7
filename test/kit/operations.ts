import { randomUUID } from 'node:crypto';
import { nodeWorkflowIdOf, volumeWorkflowIdOf } from '../../src/contract/workflow-ids';
import type { Operation } from '../../src/csi/operation';
import type { Patience } from '../../src/csi/operations';
import { type NodeId, parseNodeId } from '../../src/domain/nqn';
import { parseVolumeId, type VolumeId } from '../../src/domain/volume-id';

/** Builders of operations, as the CSI face makes them: cluster `c1`, volumes of 1 GiB unless told otherwise. */
const clusterId = 'c1';

export const newVolumeId = (): VolumeId => parseVolumeId(`pvc-${randomUUID()}`);

export const within = (ms: number): Patience => ({
  deadline: new Date(Date.now() + ms),
  ended: new AbortController().signal,
});

export const patient = (): Patience => within(30_000);

function aboutVolume(volumeId: VolumeId, nodeId?: NodeId) {
  return { volumeId, workflowId: volumeWorkflowIdOf(volumeId), nodeId };
}

export function createOf(volumeId: VolumeId, sizeBytes = '1073741824'): Operation<'createVolume'> {
  const nqn = `nqn.2000-02.com.mikrotik:${volumeId}`;
  const input = { volumeId, sizeBytes, volumePath: '/storage-pool/metal-csi', nqn, nvmePort: 4420, clusterId };
  return { name: 'createVolume', ...aboutVolume(volumeId), input, summary: 'create' };
}

export function deleteOf(volumeId: VolumeId): Operation<'deleteVolume'> {
  return { name: 'deleteVolume', ...aboutVolume(volumeId), input: { volumeId, clusterId }, summary: 'delete' };
}

export function publishOf(volumeId: VolumeId, node: string): Operation<'publishVolume'> {
  const nodeId = parseNodeId(node, 'node_id');
  const attachment = { nodeId, accessMode: 'single-node-writer', readOnly: false, content: 'ext4' };
  return {
    name: 'publishVolume',
    ...aboutVolume(volumeId, nodeId),
    input: { volumeId, clusterId, attachment },
    summary: 'attach',
  };
}

/** Raw block that two nodes may write to, for a live migration. */
export function publishSharedOf(
  volumeId: VolumeId,
  node: string,
  migrationTimeoutSeconds = 300,
): Operation<'publishVolume'> {
  const nodeId = parseNodeId(node, 'node_id');
  const attachment = { nodeId, accessMode: 'multi-node-multi-writer', readOnly: false, content: 'block' };
  return {
    name: 'publishVolume',
    ...aboutVolume(volumeId, nodeId),
    input: { volumeId, clusterId, attachment, migrationTimeoutSeconds },
    summary: 'attach',
  };
}

/** From all nodes, if none is named. */
export function unpublishOf(volumeId: VolumeId, node: string): Operation<'unpublishVolume'> {
  const nodeId = node === '' ? undefined : parseNodeId(node, 'node_id');
  return {
    name: 'unpublishVolume',
    ...aboutVolume(volumeId, nodeId),
    input: { volumeId, clusterId, ...(nodeId === undefined ? {} : { nodeId }) },
    summary: 'detach',
  };
}

export function expandOf(volumeId: VolumeId, sizeBytes: string): Operation<'expandVolume'> {
  return { name: 'expandVolume', ...aboutVolume(volumeId), input: { volumeId, sizeBytes, clusterId }, summary: 'grow' };
}

function aboutNode(volumeId: VolumeId, node: string) {
  const nodeId = parseNodeId(node, 'node_id');
  return { volumeId, workflowId: nodeWorkflowIdOf(volumeId, nodeId), nodeId };
}

const stagingTargetPath = '/var/lib/kubelet/plugins/a/globalmount';

/** With ext4. */
export function stageOf(volumeId: VolumeId, node: string): Operation<'stageVolume'> {
  const target = {
    nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
    address: '10.42.68.1',
    port: 4420,
    filePath: `/storage-pool/metal-csi/${volumeId}.img`,
    ctrlLossTmo: -1,
    reconnectDelay: 5,
  };
  const mode = { kind: 'mount', fileSystem: 'ext4', mountFlags: [], mkfsOptions: [], readOnly: false } as const;
  const input = { volumeId, nodeId: node, stagingTargetPath, target, mode };
  return { name: 'stageVolume', ...aboutNode(volumeId, node), input, summary: 'stage' };
}

export function unstageOf(volumeId: VolumeId, node: string): Operation<'unstageVolume'> {
  const input = { volumeId, nodeId: node, stagingTargetPath };
  return { name: 'unstageVolume', ...aboutNode(volumeId, node), input, summary: 'unstage' };
}

export function expandNodeOf(volumeId: VolumeId, node: string): Operation<'expandNodeVolume'> {
  const input = { volumeId, nodeId: node, volumePath: stagingTargetPath };
  return { name: 'expandNodeVolume', ...aboutNode(volumeId, node), input, summary: 'grow on the node' };
}
