import { Fault } from '../fault';
import { parseRecord } from '../record';
import { type Bytes, formatBytes, parseBytes } from '../size';
import { formatUntrusted } from '../text';
import type { Pool, Volume } from '../volume';
import { findVolumeId, type VolumeId } from '../volume-id';
import { poolNameOf, type VolumePath } from '../volume-path';
import { copiesIn } from './copies';
import { type Answer, parseAnswer, type Row, type ScriptOutput, unreadable } from './json-line';
import { findVolumePath, isOurs, withLeadingSlash } from './ownership';

/** What a script's answer is about, for the messages, and what it is checked against. */
export interface AnswerContext {
  readonly volumeId: VolumeId;
  readonly roots: readonly VolumePath[];
}

/** A disk of this driver, as it was read. */
export interface SeenVolume {
  readonly volume: Volume;
  /** A disk that an operator has disabled is not exported, whatever its export says. */
  readonly disabled: boolean;
  /** Whether RouterOS shows a block device, with a size: it shows none where the backing file is missing. `sizeBytes` is 0 then. */
  readonly hasDevice: boolean;
}

/** Any disk in a volume's slot: what is needed to tell whose it is. */
interface SeenDisk {
  readonly type: string;
  readonly nqn: string;
  readonly filePath: string;
}

/** RouterOS's words for a file system that is full. */
const OUT_OF_SPACE = /not enough (?:disk |free )?space|no space left|out of (?:disk )?space|disk (?:is )?full/i;
/** What may be over at the next try: somebody else was faster, or RouterOS is not done with a file. */
const PASSING = /already|busy|in use/i;

/**
 * The volume that the answer shows, its record readable or not; undefined if RouterOS has shown that its slot is empty. Throws
 * NotOurs (the slot is taken by something else), ArrayRefused (RouterOS's words), ArrayUnsettled, ArrayUnreadable.
 */
export function parseVolumeAnswer(output: ScriptOutput, context: AnswerContext): SeenVolume | undefined {
  const answer = parseAnswer(output);
  throwError(answer, context.volumeId);
  return parseSeenVolume(answer, context);
}

/**
 * As `parseVolumeAnswer`, of a script that changes the volume: what RouterOS said meanwhile counts only if the volume is not as
 * wished, and a record that cannot be read is ArrayUnreadable.
 */
export function parseChangedAnswer(
  output: ScriptOutput,
  context: AnswerContext & { readonly isAsWished: (volume: Volume) => boolean },
): SeenVolume | undefined {
  const answer = parseAnswer(output);
  throwError(answer, context.volumeId);
  const seen = requireRecord(parseSeenVolume(answer, context));
  const failure = answer.text('failure');
  if (failure !== '' && seen && !context.isAsWished(seen.volume)) throw refused(failure, context.volumeId);
  return seen;
}

/** A volume that shall have a size, in bytes, and where it lies if no disk tells. */
type SizeContext = AnswerContext & {
  readonly sizeBytes: bigint;
  readonly volumePath: VolumePath | undefined;
  readonly isAsWished: (seen: SeenVolume) => boolean;
};

/** As `parseVolumeAnswer`, of the script that grows a volume to `sizeBytes`. Throws also PoolExhausted. */
export function parseGrownAnswer(
  output: ScriptOutput,
  context: AnswerContext & { readonly sizeBytes: bigint },
): SeenVolume | undefined {
  const isAsWished = ({ volume }: SeenVolume) => volume.sizeBytes >= context.sizeBytes;
  return parseGrown(parseAnswer(output), { ...context, volumePath: undefined, isAsWished });
}

/**
 * The volume that the script made, or found: there is one afterwards. Throws as `parseChangedAnswer`, PoolExhausted, NotOurs also
 * if another disk uses its file, VolumeExists (a larger file without a disk is in the way) and ArrayUnsettled (made without
 * complaint, and not there).
 */
export function parseCreatedAnswer(
  output: ScriptOutput,
  context: AnswerContext & {
    readonly sizeBytes: bigint;
    readonly volumePath: VolumePath;
    readonly exported: boolean;
  },
): SeenVolume {
  const answer = parseAnswer(output);
  const { volumeId, sizeBytes, exported } = context;
  const isAsWished = ({ volume }: SeenVolume) => volume.sizeBytes >= sizeBytes && (volume.exported || !exported);
  const seen = parseGrown(answer, { ...context, isAsWished });
  if (seen) return seen;
  throwUsers(answer, volumeId);
  const [file] = answer.rows('files');
  if (!file) throw new Fault('ArrayUnsettled', `${volumeId}: made without complaint, and not there`);
  const fileBytes = file.bytes('size');
  if (fileBytes <= sizeBytes) throw unreadable(`${volumeId}: its file fits and got no disk`);
  const sizes = `${formatBytes(fileBytes)}, larger than the ${formatBytes(sizeBytes)} asked for`;
  throw new Fault('VolumeExists', `${volumeId}: a file without a disk is in its place, ${file.text('name')}: ${sizes}`);
}

function parseGrown(answer: Answer, context: SizeContext): SeenVolume | undefined {
  throwError(answer, context.volumeId);
  const seen = requireRecord(parseSeenVolume(answer, context));
  const failure = answer.text('failure');
  if (failure === '' || (seen && context.isAsWished(seen))) return seen;
  if (!OUT_OF_SPACE.test(failure)) throw refused(failure, context.volumeId, whatStays(answer));
  const volumePath = seen ? findVolumePath(seen.volume.filePath, context.volumeId, context.roots) : context.volumePath;
  throw exhausted(answer, { ...context, volumePath });
}

/** What a create could not take away again, for a person. */
function whatStays(answer: Answer): string {
  const cleanup = answer.has('cleanup') ? answer.text('cleanup') : '';
  if (cleanup === '' || answer.rows('files').length === 0) return '';
  return `; its file stays, since RouterOS does not remove it: ${formatUntrusted(cleanup)}`;
}

function throwUsers(answer: Answer, volumeId: VolumeId): void {
  const users = answer.rows('users').map((row) => row.text('slot'));
  if (users.length === 0) return;
  const disks = users.map(formatUntrusted).join(', ');
  throw new Fault('NotOurs', `${volumeId}: its backing file is used by the disk ${disks}`);
}

/** What is left of a volume: its disk, and whether a backing file of it is listed. Throws as `parseVolumeAnswer`. */
export function parseRemovedAnswer(
  output: ScriptOutput,
  context: AnswerContext & { readonly files: 'any' | 'own' },
): { readonly volume: Volume | undefined; readonly fileExists: boolean } {
  const { volumeId, files } = context;
  const answer = parseAnswer(output);
  throwError(answer, volumeId);
  const volume = requireRecord(parseSeenVolume(answer, context))?.volume;
  const isCopy = copiesIn(answer);
  const own = withLeadingSlash(answer.text('own'));
  const paths = answer.rows('files').map((row) => withLeadingSlash(row.text('name')));
  const fileExists = paths.some((path) => path === own || (files === 'any' && !isCopy(path)));
  if (!volume) throwUsers(answer, volumeId);
  const failure = answer.text('failure');
  if (failure !== '' && (volume || fileExists)) throw refused(failure, volumeId);
  return { volume, fileExists };
}

/**
 * All volumes of this driver, their records readable or not. What is not this driver's is left out; a row that cannot be told
 * either way: ArrayUnreadable.
 */
export function parseListAnswer(output: ScriptOutput, roots: readonly VolumePath[]): readonly Volume[] {
  const answer = parseAnswer(output);
  throwError(answer, 'the list of disks');
  return parseVolumes(answer, roots);
}

/** The volumes among the disks of an answer. */
export function parseVolumes(answer: Answer, roots: readonly VolumePath[]): readonly Volume[] {
  const volumes = answer.rows('disks').flatMap((row) => {
    const volumeId = findVolumeId(row.text('slot'));
    if (volumeId === undefined) return [];
    return isOurs(parseDisk(row), volumeId, roots) ? [parseVolume(row, volumeId).volume] : [];
  });
  const ids = new Set(volumes.map(({ volumeId }) => volumeId));
  if (ids.size !== volumes.length) throw unreadable('the list of disks names a slot twice');
  return volumes;
}

/** The pool of that name: the disk that is mounted so, or else the one in the slot of that name. Throws ArrayRefused if there is none. */
export function parsePoolAnswer(output: ScriptOutput, name: string): Pool {
  const answer = parseAnswer(output);
  throwError(answer, `pool ${name}`);
  const pool = findPool(answer, name);
  if (!pool)
    throw new Fault('ArrayRefused', `the RDS has no pool ${name}: no disk is mounted there or bears this slot`);
  return pool;
}

function parseSeenVolume(answer: Answer, { volumeId, roots }: AnswerContext): SeenVolume | undefined {
  if (answer.text('volume') !== volumeId) throw unreadable(`an answer about another volume than ${volumeId}`);
  const rows = answer.rows('disks');
  const oursCount = answer.bytes('oursCount');
  const [row, ...more] = rows;
  if (!row) {
    if (oursCount !== 0n) throw unreadable(`${volumeId}: the answer contradicts itself`);
    return undefined;
  }
  const disk = parseDisk(row);
  if (more.length > 0 || row.text('slot') !== volumeId) throw unreadable(`${volumeId}: the answer names other slots`);
  const owned = isOurs(disk, volumeId, roots);
  if (oursCount !== (owned ? 1n : 0n)) throw unreadable(`${volumeId}: the answer contradicts itself`);
  if (!owned) throw notOurs(volumeId, disk);
  const seen = parseVolume(row, volumeId);
  if (!answer.has('files')) return seen;
  const fileExists = answer.rows('files').some((file) => withLeadingSlash(file.text('name')) === seen.volume.filePath);
  if (fileExists && !seen.hasDevice)
    throw unreadable(`${volumeId}: its backing file is there, and its disk has no size`);
  return { ...seen, volume: { ...seen.volume, fileExists } };
}

function parseDisk(row: Row): SeenDisk {
  return { type: row.text('type'), nqn: row.text('nvme-tcp-server-nqn'), filePath: row.text('file-path') };
}

function parseVolume(row: Row, volumeId: VolumeId): SeenVolume {
  const comment = row.text('comment');
  const disabled = row.flag('disabled');
  const nvmePort = row.bytes('nvme-tcp-server-port');
  if (nvmePort < 1n || nvmePort > 65_535n) throw unreadable(`${volumeId}: ${nvmePort} is no TCP port`);
  const sizeBytes = row.optionalBytes('size');
  const volume = {
    volumeId,
    sizeBytes: sizeBytes ?? parseBytes(0n, 'size'),
    filePath: withLeadingSlash(row.text('file-path')),
    nqn: row.text('nvme-tcp-server-nqn'),
    nvmePort: Number(nvmePort),
    exported: row.flag('nvme-tcp-export') && !disabled,
    // Nothing tells whether RouterOS takes it for a text or for a list; no volume shall be unreadable for that.
    allowedHost: row.list('nvme-tcp-server-allow-host-name'),
    fileExists: undefined,
    comment,
    ...parseRecordOf(volumeId, comment),
  };
  return { volume, disabled, hasDevice: sizeBytes !== undefined };
}

function parseRecordOf(volumeId: VolumeId, comment: string): Pick<Volume, 'record' | 'recordProblem'> {
  try {
    return { record: parseRecord(comment), recordProblem: undefined };
  } catch (error) {
    if (error instanceof Fault) return { record: undefined, recordProblem: `${volumeId}: ${error.message}` };
    throw error;
  }
}

/** A record that cannot be read is never taken for none by what changes a volume: a node that writes may be named in it. */
function requireRecord(seen: SeenVolume | undefined): SeenVolume | undefined {
  const problem = seen?.volume.recordProblem;
  if (problem !== undefined) throw new Fault('ArrayUnreadable', problem);
  return seen;
}

function findPool(answer: Answer, name: string): Pool | undefined {
  const mounted = answer.optionalRows('mounts').filter((row) => withoutLeadingSlash(row.text('mount-point')) === name);
  const named = answer.optionalRows('pools').filter((row) => row.text('slot') === name);
  const [row, ...more] = mounted.length > 0 ? mounted : named;
  if (!row) return undefined;
  if (more.length > 0) throw unreadable(`pool ${name}: several disks bear this name`);
  return { name, sizeBytes: row.bytes('size'), freeBytes: row.bytes('free') };
}

function withoutLeadingSlash(path: string): string {
  return path.replace(/^\//, '');
}

/** Throws if the answer is RouterOS's error, which ended the script. */
export function throwError(answer: Answer, subject: string): void {
  if (answer.has('error')) throw refused(answer.text('error'), subject);
}

function refused(words: string, subject: string, more = ''): Fault {
  const kind = PASSING.test(words) ? 'ArrayUnsettled' : 'ArrayRefused';
  return new Fault(kind, `${subject}: RouterOS says ${formatUntrusted(words)}${more}`);
}

function exhausted(answer: Answer, wish: SizeContext): Fault {
  const { volumeId, sizeBytes, volumePath } = wish;
  const name = volumePath === undefined ? undefined : poolNameOf(volumePath);
  const pool = name === undefined ? undefined : findPoolOrNone(answer, name);
  const free = pool ? `${formatSize(pool.freeBytes)} free` : 'not enough room (how much is free cannot be told)';
  return new Fault(
    'PoolExhausted',
    `${volumeId}: pool ${name ?? 'of its file'} has ${free}, asked for ${formatSize(sizeBytes)}${whatStays(answer)}`,
  );
}

/** That the pool is full is certain, even where its row cannot be read. */
function findPoolOrNone(answer: Answer, name: string): Pool | undefined {
  try {
    return findPool(answer, name);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function formatSize(bytes: bigint | Bytes): string {
  const short = formatBytes(parseBytes(bytes, 'size'));
  return short.endsWith(' B') ? short : `${bytes} B (${short})`;
}

function notOurs(volumeId: VolumeId, { type, nqn, filePath }: SeenDisk): Fault {
  const what = `type ${formatUntrusted(type)}, file ${formatUntrusted(filePath)}, NQN ${formatUntrusted(nqn)}`;
  return new Fault(
    'NotOurs',
    `${volumeId}: its slot is taken by a disk that is not this driver's (${what}): left untouched`,
  );
}
