import type { DisksPort, RemovedFiles } from '../adapters/routeros/port';
import type { ArrayActivities } from '../contract/activities';
import { TURN_LIMIT_MS } from '../contract/limits';
import type { CreateVolumeInput } from '../contract/operations';
import type { Fencing } from '../domain/export';
import { Fault } from '../domain/fault';
import { parseSubsystemNqn } from '../domain/nqn';
import type { ClusterId } from '../domain/record';
import { parseClusterId } from '../domain/record';
import type { Bytes } from '../domain/size';
import { formatBytes, parseBytes } from '../domain/size';
import type { Volume, VolumeSpec } from '../domain/volume';
import type { VolumeId } from '../domain/volume-id';
import { parseVolumeId } from '../domain/volume-id';
import { filePathOf, parseVolumePath } from '../domain/volume-path';
import { type AttachmentEvent, createAttachmentActivities } from './attachment-activities';
import { createTurns } from './turns';

interface ArrayActivitiesOptions {
  readonly disks: DisksPort;
  readonly fencing: Fencing;
  /** Told of each attachment that was made, given back or cleared, or is not to be. */
  readonly onAttachment: (event: AttachmentEvent) => void;
}

/** What is done on the RDS, over its disks: one try of a volume at a time, at most two scripts each. */
export function createArrayActivities({ disks, fencing, onAttachment }: ArrayActivitiesOptions): ArrayActivities {
  const inTurn = createTurns({ longestWaitMs: TURN_LIMIT_MS });
  return {
    ...createAttachmentActivities({ disks, fencing, onAttachment, inTurn }),

    async ensureVolume(input) {
      const spec = parseSpec(input, fencing);
      const volume = await inTurn(spec.volumeId, () => disks.create(spec));
      requireSame(spec, volume);
      requireServed(spec, volume);
      return { sizeBytes: volume.sizeBytes.toString() };
    },

    async removeVolume(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const clusterId = parseClusterId(input.clusterId, 'clusterId');
      await inTurn(volumeId, () => remove(disks, { volumeId, clusterId, files: 'any' }));
    },

    async removeOrphan(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const clusterId = parseClusterId(input.clusterId, 'clusterId');
      await inTurn(volumeId, () => removeOrphan(disks, volumeId, clusterId));
    },

    async growVolume(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const sizeBytes = parseBytes(input.sizeBytes, 'sizeBytes');
      const clusterId = input.clusterId === undefined ? undefined : parseClusterId(input.clusterId, 'clusterId');
      const volume = await inTurn(volumeId, () => disks.resize(volumeId, sizeBytes, clusterId));
      if (!volume) throw notFound(volumeId);
      if (clusterId !== undefined && isOfAnother(volume, clusterId)) throw notOurs(volume, clusterId, 'not grown');
      if (volume.sizeBytes < sizeBytes) throw contractBroken(volume, `${volume.sizeBytes} B, asked for ${sizeBytes} B`);
      requireWithin(volume, limitOf(input.limitBytes));
      return { sizeBytes: volume.sizeBytes.toString() };
    },
  };
}

interface Removal {
  readonly volumeId: VolumeId;
  readonly clusterId: ClusterId;
  readonly files: RemovedFiles;
}

async function remove(disks: DisksPort, { volumeId, clusterId, files }: Removal): Promise<void> {
  const { volume, fileExists } = await disks.remove(volumeId, clusterId, files);
  if (volume) throw whyKept(volume, clusterId);
  if (fileExists) throw new Fault('ArrayUnsettled', `${volumeId}: the disk is gone, its backing file is still there`);
}

/** What nobody has asked to delete is deleted only if its own record says whose it is. */
async function removeOrphan(disks: DisksPort, volumeId: VolumeId, clusterId: ClusterId): Promise<void> {
  const found = await disks.find(volumeId);
  if (!found) return;
  const { record, recordProblem } = found;
  if (recordProblem !== undefined) throw new Fault('ArrayUnreadable', recordProblem);
  if (!record) throw new Fault('NotOurs', `${volumeId}: no record on its disk says whose it is: not deleted`);
  // A file of this name elsewhere was put there by somebody, to be kept.
  await remove(disks, { volumeId, clusterId, files: 'own' });
}

function notFound(volumeId: VolumeId): Fault {
  return new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
}

function isOfAnother({ record }: Volume, clusterId: ClusterId): boolean {
  return record !== undefined && record.clusterId !== clusterId;
}

function notOurs({ volumeId, record }: Volume, clusterId: ClusterId, what: string): Fault {
  return new Fault('NotOurs', `${volumeId} belongs to cluster ${record?.clusterId}, this is ${clusterId}: ${what}`);
}

/** A volume that exists is the one asked for if nothing about it differs; the message names everything that does. */
function requireSame(spec: VolumeSpec, volume: Volume): void {
  const filePath = filePathOf(spec.volumePath, spec.volumeId);
  const mostBytes = spec.limitBytes ?? spec.sizeBytes;
  const differences = [
    (volume.sizeBytes < spec.sizeBytes || volume.sizeBytes > mostBytes) &&
      `is ${formatBytes(volume.sizeBytes)}, asked for ${formatRange(spec.sizeBytes, mostBytes)}`,
    volume.filePath !== filePath && `lies at ${volume.filePath}, asked for ${filePath}`,
    volume.nqn !== spec.nqn && `is exported as ${volume.nqn}, asked for ${spec.nqn}`,
    volume.nvmePort !== spec.nvmePort && `is exported on port ${volume.nvmePort}, asked for ${spec.nvmePort}`,
    volume.record !== undefined &&
      volume.record.clusterId !== spec.record.clusterId &&
      `belongs to cluster ${volume.record.clusterId}, this is ${spec.record.clusterId}`,
  ].filter((difference) => difference !== false);
  if (differences.length > 0) {
    throw new Fault('VolumeExists', `${spec.volumeId} exists and is another: it ${differences.join('; it ')}`);
  }
}

function formatRange(leastBytes: Bytes, mostBytes: Bytes): string {
  return leastBytes === mostBytes ? formatBytes(leastBytes) : `${formatBytes(leastBytes)} to ${formatBytes(mostBytes)}`;
}

function requireServed(spec: VolumeSpec, volume: Volume): void {
  if (spec.exported && !volume.exported) throw contractBroken(volume, 'not exported over NVMe/TCP');
  if (volume.fileExists === false) throw contractBroken(volume, `without its backing file ${volume.filePath}`);
}

function requireWithin(volume: Volume, limitBytes: Bytes | undefined): void {
  if (limitBytes !== undefined && volume.sizeBytes > limitBytes) {
    const sizes = `${formatBytes(volume.sizeBytes)}, more than the limit of ${formatBytes(limitBytes)}`;
    throw new Fault('SizeOutOfRange', `${volume.volumeId} has ${sizes}; volumes do not shrink`);
  }
}

function contractBroken(volume: Volume, what: string): Fault {
  return new Fault('ArrayContractBroken', `${volume.volumeId}: RouterOS took the command, and the volume is ${what}`);
}

function whyKept(volume: Volume, clusterId: ClusterId): Fault {
  const { volumeId, record } = volume;
  if (isOfAnother(volume, clusterId)) return notOurs(volume, clusterId, 'not deleted');
  if (record && record.attachments.length > 0) {
    const nodes = record.attachments.map(({ nodeId }) => nodeId).join(', ');
    return new Fault('VolumeInUse', `${volumeId} is attached to ${nodes}: not deleted`);
  }
  return new Fault('ArrayUnsettled', `${volumeId}: its disk was removed without complaint and is still there`);
}

function parseSpec(input: CreateVolumeInput, fencing: Fencing): VolumeSpec {
  const volumeId = parseVolumeId(input.volumeId);
  return {
    volumeId,
    sizeBytes: parseBytes(input.sizeBytes, 'sizeBytes'),
    limitBytes: limitOf(input.limitBytes),
    volumePath: parseVolumePath(input.volumePath, 'volumePath'),
    nqn: parseSubsystemNqn(input.nqn, 'nqn'),
    nvmePort: input.nvmePort,
    // With fencing no host may connect until a node has the volume.
    exported: fencing === 'off',
    record: { clusterId: parseClusterId(input.clusterId, 'clusterId'), claim: input.claim, attachments: [] },
  };
}

function limitOf(limitBytes: string | undefined): Bytes | undefined {
  return limitBytes === undefined ? undefined : parseBytes(limitBytes, 'limitBytes');
}
