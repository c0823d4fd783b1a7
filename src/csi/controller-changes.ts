import { type FileSystem, parseCapabilities, parseCapability } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseNodeId, subsystemNqnOf } from '../domain/nqn';
import { type ParameterDefaults, parseParameters } from '../domain/parameters';
import type { ClusterId } from '../domain/record';
import { formatBytes, parseCapacity } from '../domain/size';
import { parseVolumeId } from '../domain/volume-id';
import { volumeIdOf } from '../domain/volume-id-of';
import type {
  ControllerExpandVolumeRequest,
  ControllerExpandVolumeResponse,
  ControllerPublishVolumeRequest,
  ControllerPublishVolumeResponse,
  ControllerUnpublishVolumeRequest,
  ControllerUnpublishVolumeResponse,
  CreateVolumeRequest,
  CreateVolumeResponse,
  DeleteVolumeRequest,
  DeleteVolumeResponse,
} from './generated/csi';
import type { Patience, RunOperation } from './operations';
import { capabilityInputOf, findRequestedVolume, required, requireSmallMap } from './request';
import { volumeContextOf } from './volume-context';

export interface ControllerOptions {
  readonly clusterId: ClusterId;
  /** Address of the RDS's SSH. */
  readonly rdsAddress: string;
  readonly defaults: ParameterDefaults;
}

/** The RPCs that change a volume: each parses its request, starts or joins a workflow, and translates the answer. */
export function createControllerChanges(run: RunOperation, options: ControllerOptions) {
  const { clusterId, rdsAddress, defaults } = options;
  return {
    async createVolume(request: CreateVolumeRequest, patience: Patience): Promise<CreateVolumeResponse> {
      refuseUnsupported(request);
      const volumeId = volumeIdOf(request.name);
      requireSmallMap(request.parameters, 'parameters');
      const parameters = parseParameters(request.parameters, defaults);
      const { sizeBytes, limitBytes } = parseCapacity(request.capacityRange, fileSystemOf(request));
      const { volumePath, nvmePort, nqnPrefix, claim } = parameters;
      const nqn = subsystemNqnOf(nqnPrefix, volumeId);
      const input = {
        ...{ volumeId, sizeBytes: sizeBytes.toString(), volumePath, nqn, nvmePort, clusterId },
        ...(limitBytes === undefined ? {} : { limitBytes: limitBytes.toString() }),
        ...(claim && { claim }),
      };
      const summary = `create ${formatBytes(sizeBytes)}${claim ? ` for ${claim.namespace}/${claim.name}` : ''}`;
      const made = await run({ name: 'createVolume', volumeId, nodeId: undefined, input, summary }, patience);
      return {
        volume: {
          volumeId,
          capacityBytes: BigInt(made.sizeBytes),
          volumeContext: volumeContextOf({ nqn, rdsAddress, parameters }),
          contentSource: undefined,
          accessibleTopology: [],
        },
      };
    },

    async deleteVolume(request: DeleteVolumeRequest, patience: Patience): Promise<DeleteVolumeResponse> {
      const volumeId = findRequestedVolume(request.volumeId);
      if (volumeId === undefined) return {};
      const input = { volumeId, clusterId };
      await run({ name: 'deleteVolume', volumeId, nodeId: undefined, input, summary: 'delete' }, patience);
      return {};
    },

    async controllerPublishVolume(
      request: ControllerPublishVolumeRequest,
      patience: Patience,
    ): Promise<ControllerPublishVolumeResponse> {
      const volumeId = parseVolumeId(request.volumeId);
      const nodeId = parseNodeId(request.nodeId, 'node_id');
      const capability = required(request.volumeCapability, 'volume_capability');
      const { accessMode } = parseCapability(capabilityInputOf(capability), 'volume_capability');
      requireSmallMap(request.volumeContext, 'volume_context');
      const input = { volumeId, clusterId, attachment: { nodeId, accessMode, readOnly: request.readonly } };
      const summary = `attach to ${nodeId}, ${accessMode}${request.readonly ? ', read-only' : ''}`;
      await run({ name: 'publishVolume', volumeId, nodeId, input, summary }, patience);
      return { publishContext: {} };
    },

    async controllerUnpublishVolume(
      request: ControllerUnpublishVolumeRequest,
      patience: Patience,
    ): Promise<ControllerUnpublishVolumeResponse> {
      const volumeId = findRequestedVolume(request.volumeId);
      // CSI spec 1.12, ControllerUnpublishVolume: without node_id the volume is detached from all nodes.
      const nodeId = request.nodeId === '' ? undefined : parseNodeId(request.nodeId, 'node_id');
      if (volumeId === undefined) return {};
      const input = { volumeId, clusterId, ...(nodeId === undefined ? {} : { nodeId }) };
      const summary = `detach from ${nodeId ?? 'all nodes'}`;
      await run({ name: 'unpublishVolume', volumeId, nodeId, input, summary }, patience);
      return {};
    },

    async controllerExpandVolume(
      request: ControllerExpandVolumeRequest,
      patience: Patience,
    ): Promise<ControllerExpandVolumeResponse> {
      const volumeId = parseVolumeId(request.volumeId);
      const range = required(request.capacityRange, 'capacity_range');
      if (range.requiredBytes === 0n) throw new Fault('InvalidArgument', 'capacity_range.required_bytes: missing');
      const { sizeBytes, limitBytes } = parseCapacity(range, undefined);
      const capability = request.volumeCapability;
      const parsed = capability && parseCapability(capabilityInputOf(capability), 'volume_capability');
      const input = {
        ...{ volumeId, sizeBytes: sizeBytes.toString() },
        ...(limitBytes === undefined ? {} : { limitBytes: limitBytes.toString() }),
      };
      const summary = `grow to ${formatBytes(sizeBytes)}`;
      const grown = await run({ name: 'expandVolume', volumeId, nodeId: undefined, input, summary }, patience);
      // Always so for a file system: a repeat whose first try grew the disk alone must grow the file system too.
      return { capacityBytes: BigInt(grown.sizeBytes), nodeExpansionRequired: parsed?.kind !== 'block' };
    },
  };
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
