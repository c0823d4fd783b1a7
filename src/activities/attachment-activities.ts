import type { DisksPort } from '../adapters/routeros/port';
import type { ArrayActivities } from '../contract/activities';
import type { AttachmentDto, AttachResult, DetachResult, FoundAttachments } from '../contract/operations';
import { judgeAttach, judgeClear, judgeDetach } from '../domain/attachment';
import { parseAccessMode } from '../domain/capability';
import type { Claim } from '../domain/claim';
import {
  type ExportChange,
  exportWishAfterLeaving,
  exportWishOf,
  type Fencing,
  firstExportWishOf,
  isExportedAs,
} from '../domain/export';
import { Fault } from '../domain/fault';
import { findMigration } from '../domain/migration';
import { type NodeId, parseNodeId } from '../domain/nqn';
import type { Attachment, ClusterId, VolumeRecord } from '../domain/record';
import { parseClusterId, parseVolumeContent } from '../domain/record';
import type { Volume } from '../domain/volume';
import type { VolumeId } from '../domain/volume-id';
import { parseVolumeId } from '../domain/volume-id';
import type { InTurn } from './turns';

/** An attachment that was made, given back or cleared (`success`), or is not to be (`failure`); tries that are repeated are none. */
export interface AttachmentEvent {
  readonly operation: 'attach' | 'detach' | 'clear';
  readonly status: 'success' | 'failure';
  readonly seconds: number;
  readonly volumeId: VolumeId;
  /** Empty: detached from all. */
  readonly nodeIds: readonly NodeId[];
  /** Where the record tells. */
  readonly claim: Claim | undefined;
}

interface AttachmentParts {
  readonly disks: DisksPort;
  readonly fencing: Fencing;
  readonly inTurn: InTurn;
  readonly onAttachment: (event: AttachmentEvent) => void;
}

type AttachmentActivityName = 'attachVolume' | 'detachVolume' | 'findAttachments' | 'clearAttachments' | 'ensureExport';

/** Who has a volume: the record on its disk and, with fencing, the host that its export lets in. */
export function createAttachmentActivities(parts: AttachmentParts): Pick<ArrayActivities, AttachmentActivityName> {
  const { inTurn } = parts;
  const told = <T>(subject: EventSubject, act: () => Promise<Done<T>>) => tellOf(parts.onAttachment, subject, act);
  return {
    async attachVolume(input) {
      const attachment = parseAttachment(input.attachment);
      const wish = { ...parseSubject(input), attachment };
      const { volumeId } = wish;
      const subject = { operation: 'attach', volumeId, nodeIds: [attachment.nodeId] } as const;
      return await inTurn(volumeId, () => told(subject, () => attach(parts, wish)));
    },

    async detachVolume(input) {
      const nodeId = input.nodeId === undefined ? undefined : parseNodeId(input.nodeId, 'node_id');
      const wish = { ...parseSubject(input), nodeId };
      const { volumeId } = wish;
      const subject = { operation: 'detach', volumeId, nodeIds: nodeId === undefined ? [] : [nodeId] } as const;
      return await inTurn(volumeId, () => told(subject, () => detach(parts, wish)));
    },

    async findAttachments(input) {
      const { volumeId, clusterId } = parseSubject(input);
      return await inTurn(volumeId, async () => foundOf(await findOurs(parts.disks, volumeId), clusterId));
    },

    async clearAttachments(input) {
      const nodeIds = input.nodeIds.map((nodeId) => parseNodeId(nodeId, 'node_id'));
      const wish = { ...parseSubject(input), nodeIds, judgedComment: input.judgedComment };
      const { volumeId } = wish;
      await inTurn(volumeId, () => told({ operation: 'clear', volumeId, nodeIds }, () => clear(parts, wish)));
    },

    async ensureExport(input) {
      const { volumeId, clusterId } = parseSubject(input);
      return await inTurn(volumeId, () => ensureExport(parts, volumeId, clusterId));
    },
  };
}

type EventSubject = Pick<AttachmentEvent, 'operation' | 'volumeId' | 'nodeIds'>;

/** What an activity returns, and the volume as it is then. */
interface Done<T> {
  readonly result: T;
  readonly volume: Volume | undefined;
}

async function tellOf<T>(
  onAttachment: AttachmentParts['onAttachment'],
  subject: EventSubject,
  act: () => Promise<Done<T>>,
): Promise<T> {
  const startedMs = performance.now();
  const tell = (status: AttachmentEvent['status'], claim: Claim | undefined): void =>
    onAttachment({ ...subject, status, claim, seconds: (performance.now() - startedMs) / 1_000 });
  try {
    const { result, volume } = await act();
    tell('success', volume?.record?.claim);
    return result;
  } catch (error) {
    // Of a volume that others have the workflow decides: it may be attached yet.
    if (error instanceof Fault && !error.retryable && error.kind !== 'VolumeInUse') tell('failure', undefined);
    throw error;
  }
}

type AttachWish = { readonly volumeId: VolumeId; readonly clusterId: ClusterId; readonly attachment: Attachment };

/**
 * The common path is one exec; a record that the fast path leaves alone is judged here and written once, if it still stands. A try
 * has time for no more: if somebody else was faster, the next one looks anew.
 */
async function attach({ disks, fencing }: AttachmentParts, wish: AttachWish): Promise<Done<AttachResult | undefined>> {
  const { volumeId, clusterId, attachment } = wish;
  // Where the record names nobody, nobody has a right to the sessions that are there.
  const exportChange = { wish: firstExportWishOf(fencing, attachment), endSessions: fencing !== 'off' };
  const volume = await disks.attach(volumeId, { clusterId, attachment, exportChange });
  const change = changeToAttach(fencing, wish, volume);
  if (!volume || !change) return attached(volume);
  const written = await disks.writeRecord(volumeId, { expectedComment: volume.comment, ...change });
  if (changeToAttach(fencing, wish, written)) throw unsettledRecord(volumeId);
  return attached(written);
}

function attached(volume: Volume | undefined): Done<AttachResult | undefined> {
  const nodeIds = findMigration(volume?.record?.attachments ?? []);
  const claim = volume?.record?.claim;
  return { result: nodeIds && { migration: { nodeIds, ...(claim && { claim }) } }, volume };
}

interface Change {
  readonly record: VolumeRecord;
  readonly exportChange: ExportChange;
}

/** What is left to do for a volume to be attached as wished; undefined if it is. Throws VolumeNotFound, and as judgeAttach. */
function changeToAttach(fencing: Fencing, wish: AttachWish, volume: Volume | undefined): Change | undefined {
  const { volumeId, clusterId, attachment } = wish;
  if (!volume) throw new Fault('VolumeNotFound', `${volumeId}: the RDS has no such volume`);
  const verdict = judgeAttach({ volumeId, record: volume.record, wish: attachment, clusterId });
  if (verdict.kind === 'attached') return changeToServe(fencing, volume);
  const wasFree = volume.record !== undefined && volume.record.attachments.length === 0;
  const exportWish = exportWishOf(fencing, verdict.record.attachments);
  return {
    record: verdict.record,
    // A volume without a record may be in use by nodes of an older driver: their sessions stay.
    exportChange: { wish: exportWish, endSessions: fencing !== 'off' && wasFree },
  };
}

/** What is left to do for the export to be as the record wants it; undefined if it is. */
function changeToServe(fencing: Fencing, volume: Volume): Change | undefined {
  const { record } = volume;
  if (!record) return undefined;
  const wish = exportWishOf(fencing, record.attachments);
  return isExportedAs(volume, wish) ? undefined : { record, exportChange: { wish, endSessions: false } };
}

type DetachWish = Omit<AttachWish, 'attachment'> & { readonly nodeId: NodeId | undefined };

async function detach(parts: AttachmentParts, wish: DetachWish): Promise<Done<DetachResult | undefined>> {
  const { disks, fencing } = parts;
  const { volumeId } = wish;
  const volume = await findDetached(parts, wish);
  const writers =
    volume?.record?.attachments.filter(({ accessMode }) => accessMode === 'multi-node-multi-writer') ?? [];
  const result = writers.length > 0 ? ({ mayEndMigration: true } as const) : undefined;
  const change = changeToDetach(fencing, wish, volume);
  if (!volume || !change) return { result, volume };
  const written = await disks.writeRecord(volumeId, { expectedComment: volume.comment, ...change });
  if (changeToDetach(fencing, wish, written)) throw unsettledRecord(volumeId);
  return { result, volume: written };
}

/** The volume after the common path; undefined too where its slot holds something that is not this driver's: no node has that. */
async function findDetached({ disks, fencing }: AttachmentParts, wish: DetachWish): Promise<Volume | undefined> {
  const { volumeId, clusterId, nodeId } = wish;
  if (nodeId === undefined) return await findOurs(disks, volumeId);
  const exportChange = { wish: exportWishAfterLeaving(fencing, []), endSessions: false };
  return await unlessForeign(disks.detach(volumeId, { clusterId, nodeId, exportChange }));
}

/**
 * What is left to do for a volume to be detached; undefined if it is. With fencing the export of one that no node has goes off,
 * whoever has left it on. Throws ArrayUnreadable.
 */
function changeToDetach(fencing: Fencing, wish: DetachWish, volume: Volume | undefined): Change | undefined {
  const { clusterId, nodeId } = wish;
  if (!volume) return undefined;
  requireReadable(volume);
  const verdict = judgeDetach({ record: volume.record, nodeId, clusterId });
  if (verdict.kind === 'write') {
    const { record } = verdict;
    const exportWish = exportWishAfterLeaving(fencing, record.attachments);
    return { record, exportChange: { wish: exportWish, endSessions: false } };
  }
  const isFree = volume.record?.clusterId === clusterId && volume.record.attachments.length === 0;
  return isFree ? changeToServe(fencing, volume) : undefined;
}

type ClearWish = Omit<AttachWish, 'attachment'> & {
  readonly nodeIds: readonly NodeId[];
  readonly judgedComment: string;
};

async function clear({ disks, fencing }: AttachmentParts, wish: ClearWish): Promise<Done<void>> {
  const volume = await findOurs(disks, wish.volumeId);
  const change = changeToClear(fencing, wish, volume);
  if (!volume || !change) return { result: undefined, volume };
  const written = await disks.writeRecord(wish.volumeId, { expectedComment: volume.comment, ...change });
  if (written && changeToClear(fencing, wish, written)) throw unsettledRecord(wish.volumeId);
  return { result: undefined, volume: written };
}

/** What is left to do for none of the nodes to have the volume. With fencing their sessions end, and cannot return. */
function changeToClear(fencing: Fencing, wish: ClearWish, volume: Volume | undefined): Change | undefined {
  if (!volume) return undefined;
  requireReadable(volume);
  const { record, comment } = volume;
  const verdict = judgeClear({ ...wish, record, comment });
  if (verdict.kind === 'cleared') return undefined;
  const exportWish = exportWishAfterLeaving(fencing, verdict.record.attachments);
  return { record: verdict.record, exportChange: { wish: exportWish, endSessions: fencing !== 'off' } };
}

async function ensureExport({ disks, fencing }: AttachmentParts, volumeId: VolumeId, clusterId: ClusterId) {
  const volume = await findOurs(disks, volumeId);
  if (volume) requireReadable(volume);
  const { record } = volume ?? {};
  if (!volume || record?.clusterId !== clusterId || record.attachments.length === 0) {
    return { state: 'not-wanted' } as const;
  }
  const change = changeToServe(fencing, volume);
  if (!change) return { state: 'served' } as const;
  const written = await disks.writeRecord(volumeId, { expectedComment: volume.comment, ...change });
  if (!written || written.comment !== volume.comment) throw unsettledRecord(volumeId);
  // What was taken without complaint and does not read back as exported is disabled: by a person, so not this driver's to mend.
  return { state: changeToServe(fencing, written) ? 'disabled' : 'restored' } as const;
}

/** The volume; undefined too where its slot holds something that is not this driver's: no node has that. */
function findOurs(disks: DisksPort, volumeId: VolumeId): Promise<Volume | undefined> {
  return unlessForeign(disks.find(volumeId));
}

async function unlessForeign(finding: Promise<Volume | undefined>): Promise<Volume | undefined> {
  try {
    return await finding;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'NotOurs') return undefined;
    throw error;
  }
}

/** A record that cannot be read may name a node that writes. */
function requireReadable({ recordProblem }: Volume): void {
  if (recordProblem !== undefined) throw new Fault('ArrayUnreadable', recordProblem);
}

function foundOf(volume: Volume | undefined, clusterId: ClusterId): FoundAttachments {
  if (!volume) return { attachments: [], comment: '' };
  requireReadable(volume);
  const { record, comment } = volume;
  if (record?.clusterId !== clusterId) return { attachments: [], comment };
  const { attachments, claim } = record;
  const migratingNodeIds = findMigration(attachments);
  return { attachments, comment, ...(migratingNodeIds && { migratingNodeIds }), ...(claim && { claim }) };
}

function unsettledRecord(volumeId: VolumeId): Fault {
  return new Fault('ArrayUnsettled', `${volumeId}: its record was changed by someone else while it was being written`);
}

function parseSubject(input: { readonly volumeId: string; readonly clusterId: string }) {
  return {
    volumeId: parseVolumeId(input.volumeId),
    clusterId: parseClusterId(input.clusterId, 'clusterId'),
  };
}

function parseAttachment(input: AttachmentDto): Attachment {
  return {
    nodeId: parseNodeId(input.nodeId, 'node_id'),
    accessMode: parseAccessMode(input.accessMode, 'accessMode'),
    readOnly: input.readOnly,
    content: parseVolumeContent(input.content, 'content'),
  };
}
