import type { DisksPort } from '../adapters/routeros/port';
import type { ArrayActivities } from '../contract/activities';
import type { CreateVolumeInput } from '../contract/operations';
import { judgeAttach, judgeDetach } from '../domain/attachment';
import { parseAccessMode } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseNodeId, parseSubsystemNqn } from '../domain/nqn';
import type { Attachment, ClusterId } from '../domain/record';
import { parseClusterId } from '../domain/record';
import type { Bytes } from '../domain/size';
import { formatBytes, parseBytes } from '../domain/size';
import type { Volume, VolumeSpec } from '../domain/volume';
import type { VolumeId } from '../domain/volume-id';
import { parseVolumeId } from '../domain/volume-id';
import { filePathOf, parseVolumePath } from '../domain/volume-path';

/** A record is only ever changed under the volume's lock: more rounds than this mean that a person is editing it. */
const RECORD_ROUNDS = 3;

/** What is done on the RDS, over its disks. */
export function createArrayActivities({ disks }: { readonly disks: DisksPort }): ArrayActivities {
  return {
    async ensureVolume(input) {
      const spec = parseSpec(input);
      const volume = await disks.create(spec);
      requireSame(spec, volume);
      requireServed(volume);
      return { sizeBytes: volume.sizeBytes.toString() };
    },

    async removeVolume(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const { volume, fileExists } = await disks.remove(volumeId, parseClusterId(input.clusterId, 'clusterId'));
      if (volume) throw whyKept(volume, input.clusterId);
      if (fileExists)
        throw new Fault('ArrayUnsettled', `${volumeId}: the disk is gone, its backing file is still there`);
    },

    async growVolume(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const sizeBytes = parseBytes(input.sizeBytes, 'sizeBytes');
      const volume = await disks.resize(volumeId, sizeBytes);
      if (!volume) throw new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
      if (volume.sizeBytes < sizeBytes) throw contractBroken(volume, `${volume.sizeBytes} B, asked for ${sizeBytes} B`);
      requireWithin(volume, limitOf(input.limitBytes));
      return { sizeBytes: volume.sizeBytes.toString() };
    },

    async attachVolume(input) {
      const wish = {
        volumeId: parseVolumeId(input.volumeId),
        clusterId: parseClusterId(input.clusterId, 'clusterId'),
        attachment: parseAttachment(input.attachment),
      };
      await attach(disks, wish);
    },

    async detachVolume(input) {
      const wish = {
        volumeId: parseVolumeId(input.volumeId),
        clusterId: parseClusterId(input.clusterId, 'clusterId'),
        nodeId: input.nodeId === undefined ? undefined : parseNodeId(input.nodeId, 'node_id'),
      };
      await detach(disks, wish);
    },
  };
}

type AttachWish = { readonly volumeId: VolumeId; readonly clusterId: ClusterId; readonly attachment: Attachment };

/** The common path is one exec; a record that the fast path leaves alone is judged here and written if it still stands. */
async function attach(disks: DisksPort, wish: AttachWish): Promise<void> {
  const { volumeId, clusterId, attachment } = wish;
  let volume = await disks.attach(volumeId, clusterId, attachment);
  for (let round = 0; round < RECORD_ROUNDS; round += 1) {
    if (!volume) throw new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
    const verdict = judgeAttach({ volumeId, record: volume.record, wish: attachment, clusterId });
    if (verdict.kind === 'attached' && volume.exported) return;
    const record = verdict.kind === 'attached' ? volume.record : verdict.record;
    if (!record) break;
    volume = await disks.writeRecord(volumeId, volume.comment, record);
  }
  throw unsettledRecord(volumeId);
}

type DetachWish = Omit<AttachWish, 'attachment'> & { readonly nodeId: Attachment['nodeId'] | undefined };

async function detach(disks: DisksPort, wish: DetachWish): Promise<void> {
  const { volumeId, clusterId, nodeId } = wish;
  let volume = nodeId === undefined ? await disks.find(volumeId) : await disks.detach(volumeId, clusterId, nodeId);
  for (let round = 0; round < RECORD_ROUNDS; round += 1) {
    if (!volume) return;
    const verdict = judgeDetach({ record: volume.record, nodeId, clusterId });
    if (verdict.kind === 'detached') return;
    volume = await disks.writeRecord(volumeId, volume.comment, verdict.record);
  }
  throw unsettledRecord(volumeId);
}

function unsettledRecord(volumeId: VolumeId): Fault {
  return new Fault('ArrayUnsettled', `${volumeId}: its record was changed by someone else while it was being written`);
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

function requireServed(volume: Volume): void {
  if (!volume.exported) throw contractBroken(volume, 'not exported over NVMe/TCP');
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

function whyKept({ volumeId, record }: Volume, clusterId: string): Fault {
  if (record && record.clusterId !== clusterId) {
    return new Fault(
      'NotOurs',
      `${volumeId} belongs to cluster ${record.clusterId}, this is ${clusterId}: not deleted`,
    );
  }
  if (record && record.attachments.length > 0) {
    const nodes = record.attachments.map(({ nodeId }) => nodeId).join(', ');
    return new Fault('VolumeInUse', `${volumeId} is attached to ${nodes}: not deleted`);
  }
  return new Fault('ArrayUnsettled', `${volumeId}: its disk was removed without complaint and is still there`);
}

function parseSpec(input: CreateVolumeInput): VolumeSpec {
  const volumeId = parseVolumeId(input.volumeId);
  return {
    volumeId,
    sizeBytes: parseBytes(input.sizeBytes, 'sizeBytes'),
    limitBytes: limitOf(input.limitBytes),
    volumePath: parseVolumePath(input.volumePath, 'volumePath'),
    nqn: parseSubsystemNqn(input.nqn, 'nqn'),
    nvmePort: input.nvmePort,
    record: { clusterId: parseClusterId(input.clusterId, 'clusterId'), claim: input.claim, attachments: [] },
  };
}

function limitOf(limitBytes: string | undefined): Bytes | undefined {
  return limitBytes === undefined ? undefined : parseBytes(limitBytes, 'limitBytes');
}

function parseAttachment(input: { nodeId: string; accessMode: string; readOnly: boolean }): Attachment {
  return {
    nodeId: parseNodeId(input.nodeId, 'node_id'),
    accessMode: parseAccessMode(input.accessMode, 'accessMode'),
    readOnly: input.readOnly,
  };
}
