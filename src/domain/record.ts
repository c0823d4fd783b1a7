import type { Brand } from './brand';
import { type AccessMode, isSingleNode, parseAccessMode } from './capability';
import { type Claim, parseClaim } from './claim';
import { Fault } from './fault';
import { type FileSystem, parseFileSystem } from './file-system';
import { type NodeId, parseNodeId } from './nqn';
import { formatUntrusted } from './text';

/**
 * The record that the driver keeps in a disk's `comment`: who made the volume, and which nodes it is attached to.
 *
 *     rds-csi/1 cluster=<cluster id> claim=<namespace>/<name>|- nodes=<node>:<access mode>:<rw|ro>:<content>[,…]
 *
 * where the content is `block` or a file system.
 */

/** The cluster that a volume belongs to. */
export type ClusterId = Brand<string, 'ClusterId'>;

/** What a node finds on a volume: a file system, or a raw block device. */
export type VolumeContent = FileSystem | 'block';

/** A volume's attachment to a node, with what tells a repeated publish from a conflicting one. */
export interface Attachment {
  readonly nodeId: NodeId;
  readonly accessMode: AccessMode;
  readonly readOnly: boolean;
  readonly content: VolumeContent;
}

export interface VolumeRecord {
  readonly clusterId: ClusterId;
  /** The claim that the volume was made for; undefined where the provisioner did not tell. */
  readonly claim: Claim | undefined;
  /** The nodes that hold the volume, first come first; each at most once. */
  readonly attachments: readonly Attachment[];
}

/** A live migration has a source and a target; there is no third. */
const MOST_WRITING_NODES = 2;

const MARK = 'rds-csi/';
const CLUSTER_ID = /^[A-Za-z0-9._-]{1,63}$/;
const VERSION_1 = /^rds-csi\/1 cluster=([^ ]+) claim=([^ ]+) nodes=([^ ]*)$/;

/** 1 to 63 of A-Z a-z 0-9 . _ -. Throws InvalidArgument. */
export function parseClusterId(text: string, field: string): ClusterId {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (!CLUSTER_ID.test(text)) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} is not 1 to 63 of A-Z a-z 0-9 . _ -`);
  }
  return text as ClusterId;
}

/** `block` or a file system, as it stands in records and histories. Throws InvalidArgument. */
export function parseVolumeContent(text: string, field: string): VolumeContent {
  return text === 'block' ? text : parseFileSystem(text, field);
}

/**
 * Whether a volume may be attached so: each node once; more than one only in one multi-node mode and with one content, two at most
 * if they write.
 */
export function mayShare(attachments: readonly Attachment[]): boolean {
  const [first] = attachments;
  if (!first || attachments.length === 1) return true;
  if (isSingleNode(first.accessMode)) return false;
  if (first.accessMode === 'multi-node-multi-writer' && attachments.length > MOST_WRITING_NODES) return false;
  const nodes = new Set(attachments.map(({ nodeId }) => nodeId));
  const isLikeFirst = ({ accessMode, content }: Attachment) =>
    accessMode === first.accessMode && content === first.content;
  return nodes.size === attachments.length && attachments.every(isLikeFirst);
}

/** The text for `comment`; `parseRecord` reads it back as it was. Throws InvalidArgument if the claim's names are none. */
export function formatRecord({ clusterId, claim, attachments }: VolumeRecord): string {
  const of = claim && parseClaim(claim, 'claim');
  const nodes = attachments.map(({ nodeId, accessMode, readOnly, content }) =>
    [nodeId, accessMode, readOnly ? 'ro' : 'rw', content].join(':'),
  );
  return `${MARK}1 cluster=${clusterId} claim=${of ? `${of.namespace}/${of.name}` : '-'} nodes=${nodes.join(',')}`;
}

/**
 * The record in a disk's comment; undefined if there is none. A comment that speaks of a record and cannot be read is never
 * taken for "no record": it may name a node that writes to the volume. Throws ArrayUnreadable, and nothing else.
 */
export function parseRecord(comment: string): VolumeRecord | undefined {
  if (!comment.toLowerCase().includes(MARK)) return undefined;
  if (!comment.startsWith(`${MARK}1 `)) throw unreadable(comment, `does not begin with "${MARK}1 "`);
  const [, cluster, claim, nodes] = VERSION_1.exec(comment) ?? [];
  if (cluster === undefined || claim === undefined || nodes === undefined) {
    throw unreadable(comment, 'does not have cluster, claim and nodes alone, in this order');
  }
  try {
    return parseFields({ cluster, claim, nodes });
  } catch (error) {
    if (error instanceof Fault) throw unreadable(comment, error.message);
    throw error;
  }
}

function parseFields({ cluster, claim, nodes }: { cluster: string; claim: string; nodes: string }): VolumeRecord {
  const attachments = nodes === '' ? [] : nodes.split(',').map(parseAttachment);
  if (!mayShare(attachments)) {
    throw new Fault('InvalidArgument', 'nodes: no volume may be attached so');
  }
  return { clusterId: parseClusterId(cluster, 'cluster'), claim: parseRecordClaim(claim), attachments };
}

function parseRecordClaim(text: string): Claim | undefined {
  if (text === '-') return undefined;
  const [namespace, name, ...rest] = text.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) {
    throw new Fault('InvalidArgument', 'claim: neither <namespace>/<name> nor -');
  }
  return parseClaim({ namespace, name }, 'claim');
}

function parseAttachment(text: string): Attachment {
  const [node, mode, access, content, ...rest] = text.split(':');
  const isWhole = node !== undefined && mode !== undefined && content !== undefined && rest.length === 0;
  if (!isWhole || (access !== 'rw' && access !== 'ro')) {
    throw new Fault('InvalidArgument', 'nodes: not <node>:<access mode>:<rw|ro>:<content>');
  }
  return {
    nodeId: parseNodeId(node, 'nodes'),
    accessMode: parseAccessMode(mode, 'nodes'),
    readOnly: access === 'ro',
    content: parseVolumeContent(content, 'nodes'),
  };
}

function unreadable(comment: string, why: string): Fault {
  return new Fault('ArrayUnreadable', `the comment ${formatUntrusted(comment)} is no record that can be read: ${why}`);
}
