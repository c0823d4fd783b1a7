import type { NodeId } from '../domain/nqn';
import type { VolumeId } from '../domain/volume-id';

/**
 * The ID of the one run that a volume may have at a time on the controller's side. Temporal allows one open run per ID: that
 * is the per-volume lock, across replicas and restarts.
 */
export function volumeWorkflowIdOf(volumeId: VolumeId): string {
  return `volume/${volumeId}`;
}

/** The ID of the one run that watches over a live migration of a volume. */
export function migrationWorkflowIdOf(volumeId: string): string {
  return `volume/${volumeId}/migration`;
}

/** The ID of the one run that a volume may have at a time on one node. */
export function nodeWorkflowIdOf(volumeId: VolumeId, nodeId: NodeId): string {
  return `volume/${volumeId}/node/${nodeId}`;
}

const NODE_WORKFLOW_ID = /^volume\/[^/]+\/node\/(?<nodeId>[^/]+)$/;

/** The node that a workflow ID of nodeWorkflowIdOf names; undefined: it is none of those. */
export function findNodeOfWorkflowId(workflowId: string): string | undefined {
  return NODE_WORKFLOW_ID.exec(workflowId)?.groups?.['nodeId'];
}
