import type { FileSystemStats, Mount } from '../adapters/mount/port';
import type { Device } from '../adapters/nvme/port';
import type { StageNote } from '../adapters/stage-notes/port';
import { type DataPath, failsWith, findWhyAbnormal } from '../domain/condition';
import { Fault } from '../domain/fault';
import { hasTurnedReadOnly } from '../domain/mountinfo';
import type { VolumeId } from '../domain/volume-id';
import { findConnection, findNote, isOf, mountsAt, type NodeParts, nqnOf } from './node-parts';
import { isStale } from './stale-mounts';

export interface VolumeStats {
  readonly kind: 'mount' | 'block';
  readonly totalBytes: bigint;
  /** Undefined for raw block volumes, and where the file system did not answer. */
  readonly fileSystem: FileSystemStats | undefined;
  /** What is wrong with the volume on this node, for a person; undefined: nothing. */
  readonly abnormal: string | undefined;
}

export interface StatsWish {
  readonly volumeId: VolumeId;
  readonly volumePath: string;
  /** Undefined: the caller did not say. */
  readonly stagingTargetPath: string | undefined;
}

/** Statistics and condition of a volume, whatever state it is in: nothing here waits for its device. Throws VolumeNotFound. */
export async function statsOf(
  parts: NodeParts,
  { volumeId, volumePath, stagingTargetPath }: StatsWish,
): Promise<VolumeStats> {
  const note: StageNote | undefined =
    stagingTargetPath === undefined
      ? await parts.notes.findOf(volumeId)
      : await findNote(parts, { volumeId, stagingTargetPath });
  const nqn = await nqnOf(parts, note, volumeId);
  const { device, connected, trouble: found } = await findConnection(parts, nqn);
  // What is at that path is another's: of this volume nothing is known here.
  if (!connected && !note) throw notThere(volumeId, volumePath);
  const lostSinceMs = parts.lostSince(nqn);
  // Without a session there is nothing that a pod could go on with: what a mount still holds of it is a name.
  const trouble = found !== undefined && (await parts.connector.sessions()).has(nqn) ? found : undefined;
  const dataPath = {
    state: device?.state,
    connected,
    trouble,
    lostSinceMs,
    turnedReadOnly: false,
    outdated: false,
    errors: undefined,
  };
  const place = { volumeId, volumePath, note, device };
  const all = await mountsAt(parts.mounts, volumePath);
  return all.length > 0
    ? await mountedStats(parts, { ...place, all }, dataPath)
    : await blockStats(parts, place, dataPath);
}

interface Place {
  readonly volumeId: VolumeId;
  readonly volumePath: string;
  readonly note: StageNote | undefined;
  readonly device: Device | undefined;
}

interface MountedPlace extends Place {
  /** Oldest first. */
  readonly all: readonly Mount[];
}

async function mountedStats(
  parts: NodeParts,
  { volumeId, volumePath, device, all }: MountedPlace,
  dataPath: DataPath,
): Promise<VolumeStats> {
  const seen = all.at(-1);
  if (!seen) throw notThere(volumeId, volumePath);
  const outdated = await isStale(parts.mounts, device, seen);
  if (outdated) parts.staleMounts.found(volumeId, seen);
  if (device && !outdated && !all.some((mount) => isOf(device, mount))) throw notThere(volumeId, volumePath);
  if (device && !outdated && !isOf(device, seen)) {
    const abnormal = `${seen.source} is mounted over it at ${volumePath}`;
    return { kind: 'mount', totalBytes: device.sizeBytes, fileSystem: undefined, abnormal };
  }
  const found = await parts.mounts.findErrors(seen);
  const errors = found && { ...found, fileSystem: seen.fileSystemType };
  const abnormal = findWhyAbnormal({ ...dataPath, outdated, turnedReadOnly: hasTurnedReadOnly(seen), errors });
  return await fileSystemStats(parts, { volumePath, device, abnormal });
}

async function blockStats(
  { paths }: NodeParts,
  { volumeId, volumePath, note, device }: Place,
  dataPath: DataPath,
): Promise<VolumeStats> {
  // Only now, that nothing is mounted there, may the path itself be looked at: a dead mount would not answer.
  const found = await paths.find(volumePath);
  if (found?.kind !== 'block-device') throw notThere(volumeId, volumePath);
  const outdated = device !== undefined && (found.major !== device.major || found.minor !== device.minor);
  if (outdated && !note?.devicesAt.includes(volumePath)) throw notThere(volumeId, volumePath);
  const abnormal = findWhyAbnormal({ ...dataPath, outdated });
  return { kind: 'block', totalBytes: device?.sizeBytes ?? 0n, fileSystem: undefined, abnormal };
}

interface Mounted {
  readonly volumePath: string;
  readonly device: Device | undefined;
  readonly abnormal: string | undefined;
}

async function fileSystemStats({ mounts }: NodeParts, { volumePath, device, abnormal }: Mounted): Promise<VolumeStats> {
  try {
    const fileSystem = await mounts.stats(volumePath);
    return { kind: 'mount', totalBytes: fileSystem.totalBytes, fileSystem, abnormal };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const totalBytes = device?.sizeBytes ?? 0n;
    return { kind: 'mount', totalBytes, fileSystem: undefined, abnormal: abnormal ?? whyUnanswered(error) };
  }
}

/** One that answers too late may be well. */
function whyUnanswered({ kind, message }: Fault): string {
  return kind === 'NodeToolFailed' ? failsWith(message) : message;
}

function notThere(volumeId: VolumeId, path: string): Fault {
  return new Fault('VolumeNotFound', `${volumeId} is not at ${path}`);
}
