import { Fault } from './fault';
import type { NodeId } from './nqn';
import { type Attachment, type ClusterId, mayShare, type VolumeRecord } from './record';
import type { VolumeId } from './volume-id';

/** What attaching comes to: nothing is left to do, or this record is to be written. */
export type AttachVerdict = { readonly kind: 'attached' } | { readonly kind: 'write'; readonly record: VolumeRecord };

/** What detaching comes to: nothing is left to do, or this record is to be written. */
export type DetachVerdict = { readonly kind: 'detached' } | { readonly kind: 'write'; readonly record: VolumeRecord };

/**
 * Whether a node may have a volume, by the record on its disk (undefined: a volume of an older driver, which now gets one).
 * A volume that another cluster made and holds no more is taken over: so a cluster that was built anew gets its volumes back.
 * Throws NotOurs (another cluster holds it), AttachedDifferently (this node has it in another way), VolumeInUse (others hold it,
 * and it cannot be shared with this one; the message names them).
 */
export function judgeAttach(attempt: {
  readonly volumeId: VolumeId;
  readonly record: VolumeRecord | undefined;
  readonly wish: Attachment;
  readonly clusterId: ClusterId;
}): AttachVerdict {
  const { volumeId, record, wish, clusterId } = attempt;
  if (!record) return { kind: 'write', record: { clusterId, claim: undefined, attachments: [wish] } };
  if (record.clusterId !== clusterId) {
    if (record.attachments.length === 0)
      return { kind: 'write', record: { ...record, clusterId, attachments: [wish] } };
    const holders = record.attachments.map(formatAttachment).join(', ');
    throw new Fault(
      'NotOurs',
      `${volumeId} belongs to cluster ${record.clusterId}, whose ${holders} holds it; this is ${clusterId}: not attached`,
    );
  }

  const held = findHeld(record, wish.nodeId);
  if (held) {
    if (isSame(held, wish)) return { kind: 'attached' };
    throw new Fault(
      'AttachedDifferently',
      `${volumeId} is attached to ${formatAttachment(held)}, asked for ${formatAttachment(wish)}`,
    );
  }

  const attachments = [...record.attachments, wish];
  if (!mayShare(attachments)) {
    const holders = record.attachments.map(formatAttachment).join(', ');
    throw new Fault('VolumeInUse', `${volumeId} is attached to ${holders}: not also to ${formatAttachment(wish)}`);
  }
  return { kind: 'write', record: { ...record, attachments } };
}

/**
 * What is left to do for a node (undefined: for all of them) not to have a volume. Another cluster's record names that
 * cluster's nodes, even where they bear the names of ours: it is left alone, and this cluster's node is detached already.
 */
export function judgeDetach(attempt: {
  readonly record: VolumeRecord | undefined;
  readonly nodeId: NodeId | undefined;
  readonly clusterId: ClusterId;
}): DetachVerdict {
  const { record, nodeId, clusterId } = attempt;
  if (!record || record.clusterId !== clusterId) return { kind: 'detached' };
  const attachments = nodeId === undefined ? [] : record.attachments.filter((held) => held.nodeId !== nodeId);
  if (attachments.length === record.attachments.length) return { kind: 'detached' };
  return { kind: 'write', record: { ...record, attachments } };
}

/** What clearing comes to: no node is left to clear, or this record is to be written. */
export type ClearVerdict = { readonly kind: 'cleared' } | { readonly kind: 'write'; readonly record: VolumeRecord };

/**
 * What is left to do for none of these nodes to have a volume, though they have not given it back themselves: on the ground of a
 * comment that was read before (`judgedComment`). Another cluster's record is left alone, as for `judgeDetach`. Throws
 * OperationConflict if the comment is another by now and still names one of them: what was judged no longer stands.
 */
export function judgeClear(attempt: {
  readonly volumeId: VolumeId;
  readonly record: VolumeRecord | undefined;
  readonly comment: string;
  readonly nodeIds: readonly NodeId[];
  readonly clusterId: ClusterId;
  readonly judgedComment: string;
}): ClearVerdict {
  const { volumeId, record, comment, nodeIds, clusterId, judgedComment } = attempt;
  if (!record || record.clusterId !== clusterId) return { kind: 'cleared' };
  const attachments = record.attachments.filter(({ nodeId }) => !nodeIds.includes(nodeId));
  if (attachments.length === record.attachments.length) return { kind: 'cleared' };
  if (comment !== judgedComment) {
    const holders = record.attachments.map(formatAttachment).join(', ');
    throw new Fault(
      'OperationConflict',
      `${volumeId}: its record was changed meanwhile and names ${holders}: nothing is cleared, the next try looks anew`,
    );
  }
  return { kind: 'write', record: { ...record, attachments } };
}

/** Whether the record is this cluster's and names the node, for just this use. */
export function isAttached(
  record: VolumeRecord | undefined,
  { clusterId, wish }: { readonly clusterId: ClusterId; readonly wish: Attachment },
): boolean {
  const held = record?.clusterId === clusterId ? findHeld(record, wish.nodeId) : undefined;
  return held !== undefined && isSame(held, wish);
}

function findHeld({ attachments }: VolumeRecord, nodeId: NodeId): Attachment | undefined {
  return attachments.find((held) => held.nodeId === nodeId);
}

function isSame(one: Attachment, other: Attachment): boolean {
  return one.accessMode === other.accessMode && one.readOnly === other.readOnly && one.content === other.content;
}

/** `node-a (single-node-writer, ext4)`, `node-b (multi-node-reader-only, read-only, block)`. */
function formatAttachment({ nodeId, accessMode, readOnly, content }: Attachment): string {
  return `${nodeId} (${accessMode}${readOnly ? ', read-only' : ''}, ${content})`;
}
