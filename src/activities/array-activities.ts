import type { DisksPort } from '../adapters/routeros/port';
import type { ArrayActivities } from '../contract/activities';
import { TURN_LIMIT_MS } from '../contract/limits';
import type { AttachmentDto, CreateVolumeInput } from '../contract/operations';
import { judgeAttach, judgeDetach } from '../domain/attachment';
import { parseAccessMode } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseNodeId, parseSubsystemNqn } from '../domain/nqn';
import type { Attachment, ClusterId, VolumeRecord } from '../domain/record';
import { parseClusterId, parseVolumeContent } from '../domain/record';
import type { Bytes } from '../domain/size';
import { formatBytes, parseBytes } from '../domain/size';
import type { Volume, VolumeSpec } from '../domain/volume';
import type { VolumeId } from '../domain/volume-id';
import { parseVolumeId } from '../domain/volume-id';
import { filePathOf, parseVolumePath } from '../domain/volume-path';
import { createTurns } from './turns';

/** What is done on the RDS, over its disks: one try of a volume at a time, at most two scripts each. */
export function createArrayActivities({ disks }: { readonly disks: DisksPort }): ArrayActivities {
  const inTurn = createTurns({ longestWaitMs: TURN_LIMIT_MS });
  return {
    async ensureVolume(input) {
      const spec = parseSpec(input);
      const volume = await inTurn(spec.volumeId, () => disks.create(spec));
      requireSame(spec, volume);
      requireServed(volume);
      return { sizeBytes: volume.sizeBytes.toString() };
    },

    async removeVolume(input) {
      const volumeId = parseVolumeId(input.volumeId);
      const clusterId = parseClusterId(input.clusterId, 'clusterId');
      const { volume, fileExists } = await inTurn(volumeId, () => disks.remove(volumeId, clusterId));
      if (volume) throw whyKept(volume, clusterId);
      if (fileExists)
        throw new Fault('ArrayUnsettled', `${volumeId}: the disk is gone, its backing file is still there`);
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

    async attachVolume(input) {
      const wish = {
        volumeId: parseVolumeId(input.volumeId),
        clusterId: parseClusterId(input.clusterId, 'clusterId'),
        attachment: parseAttachment(input.attachment),
      };
      await inTurn(wish.volumeId, () => attach(disks, wish));
    },

    async detachVolume(input) {
      const wish = {
        volumeId: parseVolumeId(input.volumeId),
        clusterId: parseClusterId(input.clusterId, 'clusterId'),
        nodeId: input.nodeId === undefined ? undefined : parseNodeId(input.nodeId, 'node_id'),
      };
      await inTurn(wish.volumeId, () => detach(disks, wish));
    },
  };
}

type AttachWish = { readonly volumeId: VolumeId; readonly clusterId: ClusterId; readonly attachment: Attachment };

/**
 * The common path is one exec; a record that the fast path leaves alone is judged here and written once, if it still stands. A try
 * has time for no more: if somebody else was faster, the next one looks anew.
 */
async function attach(disks: DisksPort, wish: AttachWish): Promise<void> {
  const { volumeId } = wish;
  const volume = await disks.attach(volumeId, wish.clusterId, wish.attachment);
  const record = recordToAttach(wish, volume);
  if (!volume || !record) return;
  const written = await disks.writeRecord(volumeId, { expectedComment: volume.comment, record, turnExportOn: true });
  if (recordToAttach(wish, written)) throw unsettledRecord(volumeId);
}

/** The record to be written for a volume to be attached as wished; undefined if it is. Throws VolumeNotFound, and as judgeAttach. */
function recordToAttach(wish: AttachWish, volume: Volume | undefined): VolumeRecord | undefined {
  const { volumeId, clusterId, attachment } = wish;
  if (!volume) throw notFound(volumeId);
  const verdict = judgeAttach({ volumeId, record: volume.record, wish: attachment, clusterId });
  if (verdict.kind === 'write') return verdict.record;
  return volume.exported ? undefined : volume.record;
}

type DetachWish = Omit<AttachWish, 'attachment'> & { readonly nodeId: Attachment['nodeId'] | undefined };

async function detach(disks: DisksPort, wish: DetachWish): Promise<void> {
  const { volumeId } = wish;
  const volume = await findDetached(disks, wish);
  const record = recordToDetach(wish, volume);
  if (!volume || !record) return;
  const written = await disks.writeRecord(volumeId, { expectedComment: volume.comment, record, turnExportOn: false });
  if (recordToDetach(wish, written)) throw unsettledRecord(volumeId);
}

/** The volume after the common path; undefined too where its slot holds something that is not this driver's: no node has that. */
async function findDetached(disks: DisksPort, wish: DetachWish): Promise<Volume | undefined> {
  const { volumeId, clusterId, nodeId } = wish;
  try {
    return nodeId === undefined ? await disks.find(volumeId) : await disks.detach(volumeId, clusterId, nodeId);
  } catch (error) {
    if (error instanceof Fault && error.kind === 'NotOurs') return undefined;
    throw error;
  }
}

/** The record to be written for a volume to be detached; undefined if it is. Throws ArrayUnreadable. */
function recordToDetach({ clusterId, nodeId }: DetachWish, volume: Volume | undefined): VolumeRecord | undefined {
  if (!volume) return undefined;
  if (volume.recordProblem !== undefined) throw new Fault('ArrayUnreadable', volume.recordProblem);
  const verdict = judgeDetach({ record: volume.record, nodeId, clusterId });
  return verdict.kind === 'write' ? verdict.record : undefined;
}

function notFound(volumeId: VolumeId): Fault {
  return new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
}

function unsettledRecord(volumeId: VolumeId): Fault {
  return new Fault('ArrayUnsettled', `${volumeId}: its record was changed by someone else while it was being written`);
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

function whyKept(volume: Volume, clusterId: ClusterId): Fault {
  const { volumeId, record } = volume;
  if (isOfAnother(volume, clusterId)) return notOurs(volume, clusterId, 'not deleted');
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

function parseAttachment(input: AttachmentDto): Attachment {
  return {
    nodeId: parseNodeId(input.nodeId, 'node_id'),
    accessMode: parseAccessMode(input.accessMode, 'accessMode'),
    readOnly: input.readOnly,
    content: parseVolumeContent(input.content, 'content'),
  };
}
