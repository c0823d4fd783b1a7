import { parseCapabilities } from '../domain/capability';
import type { Fencing } from '../domain/export';
import { Fault } from '../domain/fault';
import { subsystemNqnOf } from '../domain/nqn';
import { type ParameterDefaults, parseParameters } from '../domain/parameters';
import type { ClusterId } from '../domain/record';
import { MAX_VOLUME_BYTES, MIB } from '../domain/size';
import type { Pool, Volume } from '../domain/volume';
import { findVolumeId, parseVolumeId, type VolumeId } from '../domain/volume-id';
import type { VolumePath } from '../domain/volume-path';
import type {
  ControllerGetVolumeRequest,
  ControllerGetVolumeResponse,
  GetCapacityRequest,
  GetCapacityResponse,
  ListVolumesRequest,
  ListVolumesResponse,
  ListVolumesResponse_Entry,
  ValidateVolumeCapabilitiesRequest,
  ValidateVolumeCapabilitiesResponse,
} from './generated/csi';
import { capabilityInputOf, requireSmallMap } from './request';

/** What the reading RPCs need of the RDS: each call is one exec. Throws ArrayUnreachable, ArrayNoAnswer, ArrayUnreadable. */
export interface VolumeReader {
  find(volumeId: VolumeId): Promise<Volume | undefined>;
  list(): Promise<readonly Volume[]>;
  pool(volumePath: VolumePath): Promise<Pool>;
}

interface ControllerReadsOptions {
  readonly clusterId: ClusterId;
  readonly fencing: Fencing;
  readonly volumes: VolumeReader;
  readonly defaults: ParameterDefaults;
}

/** The RPCs that change nothing: they ask the RDS, and start no workflow. */
export function createControllerReads({ clusterId, fencing, volumes, defaults }: ControllerReadsOptions) {
  const entryOf = (volume: Volume) => describeVolume(volume, { clusterId, fencing });
  return {
    controllerGetVolume: async (request: ControllerGetVolumeRequest): Promise<ControllerGetVolumeResponse> => {
      return entryOf(await getVolume(volumes, request.volumeId));
    },

    listVolumes: async (request: ListVolumesRequest): Promise<ListVolumesResponse> => {
      const after = parseStartingToken(request.startingToken);
      if (request.maxEntries < 0) throw new Fault('InvalidArgument', 'max_entries: must not be negative');
      const all = [...(await volumes.list())].sort((a, b) => (a.volumeId < b.volumeId ? -1 : 1));
      const rest = all.filter(({ volumeId }) => after === undefined || volumeId > after);
      const page = rest.slice(0, request.maxEntries || rest.length);
      const nextToken = page.length < rest.length ? page.at(-1)?.volumeId : undefined;
      return { entries: page.map(entryOf), nextToken: nextToken ?? '' };
    },

    getCapacity: async (request: GetCapacityRequest): Promise<GetCapacityResponse> => {
      requireSmallMap(request.parameters, 'parameters');
      const { volumePath } = parseParameters(request.parameters, defaults);
      if (request.volumeCapabilities.length > 0 && whyUnsupported(request) !== undefined) {
        return { availableCapacity: 0n, maximumVolumeSize: undefined, minimumVolumeSize: undefined };
      }
      const { freeBytes } = await volumes.pool(volumePath);
      const whole = freeBytes - (freeBytes % MIB);
      const largest = whole < MAX_VOLUME_BYTES ? whole : MAX_VOLUME_BYTES;
      return { availableCapacity: freeBytes, maximumVolumeSize: largest, minimumVolumeSize: MIB };
    },

    validateVolumeCapabilities: async (
      request: ValidateVolumeCapabilitiesRequest,
    ): Promise<ValidateVolumeCapabilitiesResponse> => {
      requireSmallMap(request.volumeContext, 'volume_context');
      requireSmallMap(request.parameters, 'parameters');
      if (request.volumeCapabilities.length === 0) throw new Fault('InvalidArgument', 'volume_capabilities: missing');
      const volume = await getVolume(volumes, request.volumeId);
      const message =
        whyUnsupported(request) ?? whyAnotherContext(volume, request) ?? whyParameters(volume, request, defaults);
      if (message !== undefined) return { confirmed: undefined, message };
      const { volumeContext, volumeCapabilities, parameters } = request;
      return { confirmed: { volumeContext, volumeCapabilities, parameters, mutableParameters: {} }, message: '' };
    },
  };
}

async function getVolume(volumes: VolumeReader, text: string): Promise<Volume> {
  const volumeId = parseVolumeId(text);
  const volume = await volumes.find(volumeId);
  if (!volume) throw new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
  return volume;
}

/** A page begins after the last volume of the page before: stable while volumes come and go. */
function parseStartingToken(token: string): VolumeId | undefined {
  if (token === '') return undefined;
  const volumeId = findVolumeId(token);
  if (volumeId === undefined) {
    throw new Fault('BadStartingToken', 'starting_token: not one that ListVolumes gave out; begin again without one');
  }
  return volumeId;
}

/** Nodes are those of this cluster: another's may bear the same names. */
function describeVolume(
  volume: Volume,
  { clusterId, fencing }: Pick<ControllerReadsOptions, 'clusterId' | 'fencing'>,
): ListVolumesResponse_Entry {
  const { record } = volume;
  const isOurs = record?.clusterId === clusterId;
  return {
    volume: {
      volumeId: volume.volumeId,
      capacityBytes: volume.sizeBytes,
      volumeContext: {},
      contentSource: undefined,
      accessibleTopology: [],
    },
    status: {
      publishedNodeIds: isOurs ? record.attachments.map(({ nodeId }) => nodeId) : [],
      volumeCondition: conditionOf(volume, { isOurs, fencing }),
    },
  };
}

function conditionOf(
  volume: Volume,
  { isOurs, fencing }: { readonly isOurs: boolean; readonly fencing: Fencing },
): { readonly abnormal: boolean; readonly message: string } {
  const { record } = volume;
  if (record && !isOurs) return { abnormal: false, message: `belongs to cluster ${record.clusterId}` };
  const isFenced = fencing !== 'off' && record?.attachments.length === 0;
  const message = whyAbnormal(isFenced ? { ...volume, exported: true } : volume);
  if (message === undefined && isFenced) return { abnormal: false, message: 'attached to no node, so not exported' };
  return { abnormal: message !== undefined, message: message ?? 'exported over NVMe/TCP' };
}

function whyAbnormal({ exported, fileExists, filePath, sizeBytes, recordProblem }: Volume): string | undefined {
  if (recordProblem !== undefined) return recordProblem;
  // A disk whose file is gone has no size.
  if (fileExists === false || sizeBytes === 0n) return `its backing file ${filePath} is missing on the RDS`;
  return exported ? undefined : 'its NVMe/TCP export is off on the RDS';
}

/** Why the capabilities cannot be served, for a person; undefined if they can. */
function whyUnsupported({ volumeCapabilities }: Pick<GetCapacityRequest, 'volumeCapabilities'>): string | undefined {
  return messageOf(() => parseCapabilities(volumeCapabilities.map(capabilityInputOf), 'volume_capabilities'));
}

/** Why the volume is not one of a StorageClass with these parameters; what they do not say is not compared. */
function whyParameters(
  volume: Volume,
  { parameters }: ValidateVolumeCapabilitiesRequest,
  defaults: ParameterDefaults,
): string | undefined {
  const message = messageOf(() => parseParameters(parameters, defaults));
  if (message !== undefined) return message;
  const { volumePath, nvmePort, nqnPrefix } = parseParameters(parameters, defaults);
  const given = { volumePath, nvmePort: String(nvmePort), nqnPrefix: subsystemNqnOf(nqnPrefix, volume.volumeId) };
  const own = { volumePath: volumePathOf(volume), nvmePort: String(volume.nvmePort), nqnPrefix: volume.nqn };
  const keys = ['volumePath', 'nvmePort', 'nqnPrefix'] as const;
  const key = keys.find((name) => parameters[name] !== undefined && given[name] !== own[name]);
  return key === undefined ? undefined : `parameters.${key}: asks for ${given[key]}, the volume has ${own[key]}`;
}

/** A volume context that names another export or file than the volume's is not this volume's. */
function whyAnotherContext(volume: Volume, { volumeContext }: ValidateVolumeCapabilitiesRequest): string | undefined {
  const own: Readonly<Record<string, string>> = {
    nqn: volume.nqn,
    nvmePort: String(volume.nvmePort),
    volumePath: volumePathOf(volume),
  };
  const key = Object.keys(own).find((name) => volumeContext[name] !== undefined && volumeContext[name] !== own[name]);
  return key === undefined ? undefined : `volume_context.${key}: the volume's is ${own[key]}`;
}

function volumePathOf({ filePath }: Volume): string {
  return filePath.slice(0, filePath.lastIndexOf('/'));
}

function messageOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}
