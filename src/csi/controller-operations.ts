import { volumeWorkflowIdOf } from '../contract/workflow-ids';
import { type FileSystem, isReaderMode, parseCapabilities, parseCapability } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseMigrationSeconds } from '../domain/migration';
import { parseMkfsOptions } from '../domain/mkfs-options';
import { type NodeId, parseNodeId, subsystemNqnOf } from '../domain/nqn';
import { type ParameterDefaults, parseParameters } from '../domain/parameters';
import type { ClusterId } from '../domain/record';
import { formatBytes, parseCapacity } from '../domain/size';
import { parseVolumeId, type VolumeId } from '../domain/volume-id';
import { volumeIdOf } from '../domain/volume-id-of';
import type {
  ControllerExpandVolumeRequest,
  ControllerPublishVolumeRequest,
  ControllerUnpublishVolumeRequest,
  CreateVolumeRequest,
  DeleteVolumeRequest,
} from './generated/csi';
import type { Operation } from './operation';
import { capabilityInputOf, findRequestedVolume, required, requireSmallMap } from './request';
import { volumeContextOf } from './volume-context';

/** Requests become operations here: everything is parsed, and all that is wrong is refused, before anything is started. */

export interface ControllerOptions {
  readonly clusterId: ClusterId;
  /** Address of the RDS's SSH. */
  readonly rdsAddress: string;
  readonly defaults: ParameterDefaults;
}

interface Creation {
  readonly operation: Operation<'createVolume'>;
  readonly volumeContext: Record<string, string>;
}

/** Throws InvalidArgument, SizeOutOfRange. */
export function parseCreate(request: CreateVolumeRequest, options: ControllerOptions): Creation {
  refuseUnsupported(request);
  const volumeId = volumeIdOf(request.name);
  requireSmallMap(request.parameters, 'parameters');
  const parameters = parseParameters(request.parameters, options.defaults);
  const fileSystem = fileSystemOf(request);
  // The node makes the file system; what it would refuse is better told to who wrote the StorageClass.
  if (fileSystem && parameters.mkfsOptions) {
    parseMkfsOptions(parameters.mkfsOptions, fileSystem, 'parameters.mkfsOptions');
  }
  const { sizeBytes, limitBytes } = parseCapacity(request.capacityRange, fileSystem);
  const { volumePath, nvmePort, nqnPrefix, claim } = parameters;
  const nqn = subsystemNqnOf(nqnPrefix, volumeId);
  const input = {
    volumeId,
    sizeBytes: sizeBytes.toString(),
    ...(limitBytes === undefined ? {} : { limitBytes: limitBytes.toString() }),
    volumePath,
    nqn,
    nvmePort,
    clusterId: options.clusterId,
    ...(claim && { claim }),
  };
  const summary = `create ${formatBytes(sizeBytes)}${claim ? ` for ${claim.namespace}/${claim.name}` : ''}`;
  return {
    operation: { name: 'createVolume', ...aboutVolume(volumeId), input, summary },
    volumeContext: volumeContextOf({ nqn, rdsAddress: options.rdsAddress, parameters }),
  };
}

/** Undefined: an ID that this driver never gave out, so nothing is there to delete. Throws InvalidArgument. */
export function parseDelete(
  request: DeleteVolumeRequest,
  { clusterId }: ControllerOptions,
): Operation<'deleteVolume'> | undefined {
  const volumeId = findRequestedVolume(request.volumeId);
  if (volumeId === undefined) return undefined;
  return { name: 'deleteVolume', ...aboutVolume(volumeId), input: { volumeId, clusterId }, summary: 'delete' };
}

/** Throws InvalidArgument, VolumeNotFound. */
export function parsePublish(
  request: ControllerPublishVolumeRequest,
  { clusterId }: ControllerOptions,
): Operation<'publishVolume'> {
  const capability = required(request.volumeCapability, 'volume_capability');
  requireSmallMap(request.volumeContext, 'volume_context');
  const nodeId = parseNodeId(request.nodeId, 'node_id');
  const parsed = parseCapability(capabilityInputOf(capability), 'volume_capability');
  const { accessMode } = parsed;
  const content = parsed.kind === 'mount' ? parsed.fileSystem : parsed.kind;
  const volumeId = parseVolumeId(request.volumeId);
  const readOnly = request.readonly || isReaderMode(accessMode);
  const summary = `attach to ${nodeId}, ${accessMode}${readOnly ? ', read-only' : ''}, ${content}`;
  const input = {
    volumeId,
    clusterId,
    attachment: { nodeId, accessMode, readOnly, content },
    ...(accessMode === 'multi-node-multi-writer' ? migrationOf(request.volumeContext) : {}),
  };
  return { name: 'publishVolume', ...aboutVolume(volumeId, nodeId), input, summary };
}

/** How long two nodes may have the volume, as its StorageClass said when it was made. */
function migrationOf(volumeContext: Readonly<Record<string, string>>): { readonly migrationTimeoutSeconds?: number } {
  const text = volumeContext.migrationTimeoutSeconds;
  if (text === undefined) return {};
  return { migrationTimeoutSeconds: parseMigrationSeconds(text, 'volume_context.migrationTimeoutSeconds') };
}

/** Undefined: an ID that this driver never gave out, so it is attached nowhere. Throws InvalidArgument. */
export function parseUnpublish(
  request: ControllerUnpublishVolumeRequest,
  { clusterId }: ControllerOptions,
): Operation<'unpublishVolume'> | undefined {
  // CSI spec 1.12, ControllerUnpublishVolume: without node_id the volume is detached from all nodes.
  const nodeId = request.nodeId === '' ? undefined : parseNodeId(request.nodeId, 'node_id');
  const volumeId = findRequestedVolume(request.volumeId);
  if (volumeId === undefined) return undefined;
  const input = { volumeId, clusterId, ...(nodeId === undefined ? {} : { nodeId }) };
  return {
    name: 'unpublishVolume',
    ...aboutVolume(volumeId, nodeId),
    input,
    summary: `detach from ${nodeId ?? 'all nodes'}`,
  };
}

interface Expansion {
  readonly operation: Operation<'expandVolume'>;
  /** Always so for a file system: a repeat whose first try grew the disk alone must grow the file system too. */
  readonly nodeExpansionRequired: boolean;
}

/** Throws InvalidArgument, SizeOutOfRange, VolumeNotFound. */
export function parseExpand(request: ControllerExpandVolumeRequest, { clusterId }: ControllerOptions): Expansion {
  const range = required(request.capacityRange, 'capacity_range');
  if (range.requiredBytes === 0n) throw new Fault('InvalidArgument', 'capacity_range.required_bytes: missing');
  const { sizeBytes, limitBytes } = parseCapacity(range, undefined);
  const capability = request.volumeCapability;
  const parsed = capability && parseCapability(capabilityInputOf(capability), 'volume_capability');
  const volumeId = parseVolumeId(request.volumeId);
  const input = {
    volumeId,
    clusterId,
    sizeBytes: sizeBytes.toString(),
    ...(limitBytes === undefined ? {} : { limitBytes: limitBytes.toString() }),
  };
  const summary = `grow to ${formatBytes(sizeBytes)}`;
  return {
    operation: { name: 'expandVolume', ...aboutVolume(volumeId), input, summary },
    nodeExpansionRequired: parsed?.kind !== 'block',
  };
}

function aboutVolume(volumeId: VolumeId, nodeId?: NodeId) {
  return { volumeId, workflowId: volumeWorkflowIdOf(volumeId), nodeId };
}

function refuseUnsupported(request: CreateVolumeRequest): void {
  if (request.volumeContentSource) {
    throw new Fault('InvalidArgument', 'volume_content_source: this driver does not copy volumes or restore snapshots');
  }
  if (Object.keys(request.mutableParameters).length > 0) {
    throw new Fault('InvalidArgument', 'mutable_parameters: this driver has none');
  }
}

/** The file system that the volume shall bear; undefined for block volumes. Refuses capabilities that cannot be served. */
function fileSystemOf(request: CreateVolumeRequest): FileSystem | undefined {
  const capabilities = parseCapabilities(request.volumeCapabilities.map(capabilityInputOf), 'volume_capabilities');
  return capabilities.find((capability) => capability.kind === 'mount')?.fileSystem;
}
