import type { ExportChange } from '../export';
import { Fault } from '../fault';
import type { NodeId } from '../nqn';
import { type Attachment, type ClusterId, formatRecord, type VolumeRecord } from '../record';
import type { VolumeSpec } from '../volume';
import type { VolumeId } from '../volume-id';
import { filePathOf, parseVolumePathUnder, poolNameOf, type VolumePath } from '../volume-path';
import { changeExport, EXPORT_ON } from './export-statements';
import { anyFilePathPattern, filePathPattern, nqnPattern, patternOf, SLOT_PATTERN } from './ownership';
import { quote } from './quote';
import { catching, count, forEachRow, print, put, rowsAndCount, SLOT, script, when } from './statement';

/**
 * The scripts that the driver sends, one line each. A script reads before it changes, changes only what it has proven to be this
 * driver's, and ends in one `:put` of what is there afterwards: the rows, and beside them their count by `find`, so that an
 * answer that is not whole shows. Run-time errors are caught into the answer; nothing else prints anything.
 *
 * RouterOS evaluates both sides of `&&`, and `set` and `remove` of nothing succeed in silence: hence the counts and nested `:if`.
 * Names of variables are one letter: in a `where`, a variable named like a property would mean the property.
 */

/** The volume that a script is about, and where volumes may lie. */
interface Subject {
  readonly volumeId: VolumeId;
  readonly roots: readonly VolumePath[];
}

/** Named one by one: `print detail` without them would also read the export's password. */
const DISK_PROPERTIES =
  'slot,type,size,file-path,disabled,comment,nvme-tcp-export,nvme-tcp-server-port,nvme-tcp-server-nqn,nvme-tcp-server-allow-host-name';
const POOL_PROPERTIES = 'slot,mount-point,size,free';
/** A record of any version, in any case: such a comment is never taken for that of an older driver. */
const MARK_PATTERN = '[rR][dD][sS]-[cC][sS][iI]/';

/** A snapshot has a parent; what was received from elsewhere is read-only: what lies in these is a copy. */
const SUBVOLUMES = '/disk/btrfs/subvolume';
const SUBVOLUME_PROPERTIES = 'name,parent,read-only';

// What `subject` declares: $s the slot, $q the pattern of its NQN, $r that of its file's path.
const OURS = 'slot=$s type=file nvme-tcp-server-nqn~$q file-path~$r';
const USERS = 'file-path~$r';
const FILES = 'name~$r';
// What `proveOwned` declares: $n how many disks are in the slot, $o which are this driver's.
const OWNED = '($n = 1) && ([:len $o] = 1)';

const SEEN_DISK: readonly string[] = [
  '"volume"=$s',
  ...rowsAndCount('disks', '/disk', DISK_PROPERTIES, SLOT),
  `"oursCount"=${count('/disk', OURS)}`,
];
const SEEN_USERS: readonly string[] = rowsAndCount('users', '/disk', 'slot,file-path', USERS);
const SEEN_SUBVOLUMES: readonly string[] = rowsAndCount('subvolumes', SUBVOLUMES, SUBVOLUME_PROPERTIES, 'name~"."');
const FAILURE_FIELD = '"failure"=$w';
const FAILURE_FIELDS: readonly string[] = [FAILURE_FIELD, '"mounts"=$m', '"pools"=$p'];

/** Whether there is a disk in the volume's slot, whose it is, and whether its backing file is there. */
export function findScript(volume: Subject): string {
  return script([...subject(volume), put([...SEEN_DISK, ...rowsAndCount('files', '/file', 'name,size', FILES)])]);
}

/** All disks whose slots look like volume IDs. */
export function listScript(): string {
  const where = `slot~${quote(SLOT_PATTERN)}`;
  return script([put(rowsAndCount('disks', '/disk', DISK_PROPERTIES, where))]);
}

/**
 * All disks whose slots look like volume IDs, all files that are called like backing files, all disks that use a file, and the
 * subvolumes, which copies of backing files may lie in.
 */
export function surveyScript(roots: readonly VolumePath[]): string {
  return script([
    put([
      ...rowsAndCount('disks', '/disk', DISK_PROPERTIES, `slot~${quote(SLOT_PATTERN)}`),
      ...rowsAndCount('files', '/file', 'name,size', `name~${quote(anyFilePathPattern(roots))}`),
      ...rowsAndCount('users', '/disk', 'slot,file-path', 'type=file'),
      ...SEEN_SUBVOLUMES,
    ]),
  ]);
}

/**
 * Makes the disk and, below a root, the directories on the way to its file, unless the slot is taken or another disk uses a file
 * of this name. A file that is there already is used if it is not larger than asked for. What this script made and could not
 * finish it takes away again.
 * Throws InvalidArgument for a path or NQN that would not be recognised as this driver's afterwards.
 */
export function createScript({
  spec,
  roots,
}: {
  readonly spec: VolumeSpec;
  readonly roots: readonly VolumePath[];
}): string {
  requireRecognisable(spec, roots);
  const file = 'name=$f';
  return script([
    ...subject({ volumeId: spec.volumeId, roots }),
    `:local f ${quote(filePathOf(spec.volumePath, spec.volumeId).slice(1))}`,
    ...proveOwned(),
    ':local w ""; :local c ""; :local b 0',
    `:local g ${count('/file', file)}`,
    when(`($n = 0) && (${count('/disk', USERS)} = 0)`, [
      forEachRow('/file', 'name,size', file, [
        ':local z [:tonum ($i->"size")]',
        when(`($z >= 0) && ($z <= ${spec.sizeBytes})`, [':set b 1']),
      ]),
      when('($g = 0) || ($b = 1)', [
        catching('w', [...ensureDirectories(spec.volumePath, roots), addDisk(spec)]),
        when(`($w != "") && ($g = 0) && (${count('/disk', SLOT)} = 0) && (${count('/disk', USERS)} = 0)`, [
          catching('c', [`/file remove [/file find where ${file}]`]),
        ]),
      ]),
    ]),
    ...(spec.exported
      ? [when(OWNED, [whenRecordAllows(recordOf(spec.record.clusterId), catching('w', [EXPORT_ON]))])]
      : []),
    ...readPoolsAfterFailure(roots),
    put([
      ...SEEN_DISK,
      ...rowsAndCount('files', '/file', 'name,size', file),
      ...SEEN_USERS,
      ...FAILURE_FIELDS,
      '"cleanup"=$c',
    ]),
  ]);
}

/**
 * Grows the volume to `sizeBytes`, in bytes, unless it has that much; only if it has no record, or one of this cluster (undefined:
 * of any).
 */
export function resizeScript({
  sizeBytes,
  clusterId,
  ...volume
}: Subject & { readonly sizeBytes: bigint; readonly clusterId: ClusterId | undefined }): string {
  const grow = catching('w', [`/disk set $o file-size=${sizeBytes}`]);
  return script([
    ...subject(volume),
    ...proveOwned(),
    ':local w ""',
    when(OWNED, [
      forEachRow('/disk', 'size', SLOT, [
        ':local z [:tonum ($i->"size")]',
        when(`($z >= 0) && ($z < ${sizeBytes})`, [whenRecordAllows(recordOf(clusterId), grow)]),
      ]),
    ]),
    ...readPoolsAfterFailure(volume.roots),
    put([...SEEN_DISK, ...FAILURE_FIELDS]),
  ]);
}

/**
 * Export off, disk away, if it has no record or one of this cluster that names no node; then the file, if no disk is in the
 * slot and none uses the file: its own, and with `any` whatever is called so below a root, where an earlier try has taken the disk.
 * Copies of it, in snapshots of the directory that it lies in, are left.
 */
export function removeScript({
  clusterId,
  files,
  ...volume
}: Subject & { readonly clusterId: ClusterId; readonly files: 'any' | 'own' }): string {
  const isOwn = '($t = $d) || (("/" . $t) = $d)';
  return script([
    ...subject(volume),
    ...proveOwned(),
    ':local w ""; :local d ""',
    when(OWNED, [
      forEachRow('/disk', 'file-path', SLOT, [':set d ($i->"file-path")']),
      whenRecordAllows(recordOf(clusterId, ''), catching('w', ['/disk set $o nvme-tcp-export=no', '/disk remove $o'])),
    ]),
    when(`(${count('/disk', SLOT)} = 0) && (${count('/disk', USERS)} = 0)`, [
      forEachRow('/file', 'name', FILES, [
        ':local t ($i->"name"); :local k 0',
        forEachCopyFolder([':if ([:len [:find $t ("/" . $u . "/")]] > 0) do={ :set k 1 }']),
        when(files === 'own' ? isOwn : `($k = 0) || ${isOwn}`, [
          catching('w', ['/file remove [/file find where name=$t]']),
        ]),
      ]),
    ]),
    put([
      ...SEEN_DISK,
      '"own"=$d',
      ...rowsAndCount('files', '/file', 'name,size', FILES),
      ...SEEN_SUBVOLUMES,
      ...SEEN_USERS,
      FAILURE_FIELD,
    ]),
  ]);
}

/** If the record is this cluster's and names no node: changes the export, and then adds the attachment. */
export function attachScript({
  clusterId,
  attachment,
  exportChange,
  ...volume
}: Subject & {
  readonly clusterId: ClusterId;
  readonly attachment: Attachment;
  readonly exportChange: ExportChange;
}): string {
  const text = formatAttachment(clusterId, attachment);
  const where = `${SLOT} comment~${quote(recordPattern(recordOf(clusterId, '')))}`;
  const add = `/disk set $o comment=(($i->"comment") . ${quote(text)})`;
  return script([
    ...subject(volume),
    ...proveOwned(),
    ':local w ""',
    when(OWNED, [forEachRow('/disk', 'comment', where, [catching('w', [...changeExport(exportChange), add])])]),
    put([...SEEN_DISK, FAILURE_FIELD]),
  ]);
}

/** If the record is this cluster's and names this node alone: changes the export, and then empties the list of nodes. */
export function detachScript({
  clusterId,
  nodeId,
  exportChange,
  ...volume
}: Subject & {
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
  readonly exportChange: ExportChange;
}): string {
  const nodes = `${patternOf(nodeId)}:[a-z-]+:r[ow]:[a-z0-9]+`;
  const where = `${SLOT} comment~${quote(recordPattern(recordOf(clusterId, nodes)))}`;
  return script([
    ...subject(volume),
    ...proveOwned(),
    ':local w ""',
    when(OWNED, [
      forEachRow('/disk', 'comment', where, [
        ':local c ($i->"comment")',
        catching('w', [...changeExport(exportChange), '/disk set $o comment=[:pick $c 0 ([:find $c " nodes="] + 7)]']),
      ]),
    ]),
    put([...SEEN_DISK, FAILURE_FIELD]),
  ]);
}

/** If the comment still is `expectedComment`: changes the export, and then writes the record. */
export function writeRecordScript({
  expectedComment,
  record,
  exportChange,
  ...volume
}: Subject & {
  readonly expectedComment: string;
  readonly record: VolumeRecord;
  readonly exportChange: ExportChange;
}): string {
  const set = `/disk set $o comment=${quote(formatRecord(record))}`;
  const write = [catching('w', [...changeExport(exportChange), set])];
  // An unset comment has no value at all: it equals no text, and its length is 0.
  const compareAndSet =
    expectedComment === ''
      ? forEachRow('/disk', 'comment', SLOT, [when('[:len ($i->"comment")] = 0', write)])
      : when(`${count('/disk', `${SLOT} comment=${quote(expectedComment)}`)} = 1`, write);
  const change = [':local w ""', when(OWNED, [compareAndSet])];
  return script([...subject(volume), ...proveOwned(), ...change, put([...SEEN_DISK, FAILURE_FIELD])]);
}

/** The disk or RAID whose file system bears the pool's name: by mount point, or else by slot. */
export function poolScript(pool: string): string {
  return script([
    put([
      ...rowsAndCount('mounts', '/disk', POOL_PROPERTIES, mountedAs([pool])),
      ...rowsAndCount('pools', '/disk', POOL_PROPERTIES, inSlots([pool])),
    ]),
  ]);
}

/** With `$u`, the name of each subvolume that holds copies. */
function forEachCopyFolder(statements: readonly string[]): string {
  const isCopy = '([:len ($j->"parent")] > 0) || (($j->"read-only") = true)';
  const rows = print(SUBVOLUMES, SUBVOLUME_PROPERTIES, 'name~"."');
  return `:foreach j in=${rows} do={ ${when(isCopy, [':local u ($j->"name")', ...statements])} }`;
}

function subject({ volumeId, roots }: Subject): readonly string[] {
  return [
    `:local s ${quote(volumeId)}`,
    `:local q ${quote(nqnPattern(volumeId))}`,
    `:local r ${quote(filePathPattern(volumeId, roots))}`,
  ];
}

function proveOwned(): readonly string[] {
  return [`:local n ${count('/disk', SLOT)}`, `:local o [/disk find where ${OURS}]`];
}

/** If the comment holds no record of any kind, or one that matches. */
function whenRecordAllows(fields: string, statement: string): string {
  const marked = count('/disk', `${SLOT} comment~${quote(MARK_PATTERN)}`);
  const allowed = count('/disk', `${SLOT} comment~${quote(recordPattern(fields))}`);
  return when(`${marked} = ${allowed}`, [statement]);
}

/** The fields of a record of this cluster (undefined: of any) that names these nodes. */
function recordOf(clusterId: ClusterId | undefined, nodes = '[^ ]*'): string {
  return `cluster=${clusterId === undefined ? '[^ ]+' : patternOf(clusterId)} claim=[^ ]+ nodes=${nodes}`;
}

function recordPattern(fields: string): string {
  return `^rds-csi/1 ${fields}$`;
}

/** An attachment as it stands in a record: what `formatRecord` puts after `nodes=`. */
function formatAttachment(clusterId: ClusterId, attachment: Attachment): string {
  const empty = formatRecord({ clusterId, claim: undefined, attachments: [] });
  return formatRecord({ clusterId, claim: undefined, attachments: [attachment] }).slice(empty.length);
}

function addDisk({ volumeId, volumePath, sizeBytes, nvmePort, nqn, record, exported }: VolumeSpec): string {
  return [
    `/disk add type=file slot=${quote(volumeId)} file-path=${quote(filePathOf(volumePath, volumeId))}`,
    // Without mount-filesystem=no the RDS itself would mount the file system that a node is writing to.
    `file-size=${sizeBytes} mount-filesystem=no comment=${quote(formatRecord(record))}`,
    `nvme-tcp-export=${exported ? 'yes' : 'no'} nvme-tcp-server-port=${nvmePort} nvme-tcp-server-nqn=${quote(nqn)}`,
  ].join(' ');
}

/** The directories below the root. Not the root: were its pool not mounted, it would be made on the flash of the RDS. */
function ensureDirectories(volumePath: VolumePath, roots: readonly VolumePath[]): readonly string[] {
  const depth = (path: string) => path.split('/').length;
  const above = roots.filter((root) => volumePath === root || volumePath.startsWith(`${root}/`));
  const nearest = Math.max(...above.map(depth));
  const segments = volumePath.split('/');
  return segments.slice(nearest).map((_, index) => {
    const name = quote(segments.slice(1, nearest + index + 1).join('/'));
    return when(`${count('/file', `name=${name}`)} = 0`, [`/file add name=${name} type=directory`]);
  });
}

function readPoolsAfterFailure(roots: readonly VolumePath[]): readonly string[] {
  const pools = [...new Set(roots.map(poolNameOf))];
  return [
    ':local m ""; :local p ""',
    when('$w != ""', [
      `:set m ${print('/disk', POOL_PROPERTIES, mountedAs(pools))}`,
      `:set p ${print('/disk', POOL_PROPERTIES, inSlots(pools))}`,
    ]),
  ];
}

function mountedAs(pools: readonly string[]): string {
  return `mount-point~${quote(`^/?(${pools.map(patternOf).join('|')})$`)}`;
}

function inSlots(pools: readonly string[]): string {
  return `slot~${quote(`^(${pools.map(patternOf).join('|')})$`)}`;
}

function requireRecognisable({ volumeId, volumePath, nqn }: VolumeSpec, roots: readonly VolumePath[]): void {
  parseVolumePathUnder(volumePath, roots, 'volumePath');
  if (/\/\.+(?:\/|$)/.test(volumePath)) {
    throw new Fault('InvalidArgument', `volumePath: ${volumePath} has a segment of dots alone`);
  }
  if (!nqn.endsWith(`:${volumeId}`)) {
    throw new Fault('InvalidArgument', `nqn: ${nqn} does not end in :${volumeId}`);
  }
}
