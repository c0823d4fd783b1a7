import type { Mount } from '../adapters/mount/port';
import type { Device } from '../adapters/nvme/port';
import type { StageNote } from '../adapters/stage-notes/port';
import { Fault } from '../domain/fault';
import { hasTurnedReadOnly, isReadOnly } from '../domain/mountinfo';
import type { VolumeId } from '../domain/volume-id';
import { aboutItsVolume, aboutVolume } from './about-volume';
import {
  devicesOf,
  findConnection,
  findNote,
  isOf,
  mountsAt,
  type NodeParts,
  nqnOf,
  placeOf,
  turnedReadOnly,
} from './node-parts';
import { isStale, removeStaleMounts } from './stale-mounts';
import { type StatsWish, statsOf, type VolumeStats } from './volume-stats';

/** What is asked of a volume that is staged here, without Temporal and without the RDS. */
export interface PublishWish {
  readonly volumeId: VolumeId;
  readonly stagingTargetPath: string;
  readonly targetPath: string;
  readonly kind: 'mount' | 'block';
  readonly readOnly: boolean;
  /** Whether no other place on this node may have it at the same time: SINGLE_NODE_SINGLE_WRITER. */
  readonly exclusive: boolean;
}

/** Publishing and looking at volumes on this node: binds and device nodes. */
export function createLocalVolumes(parts: NodeParts) {
  const onVolume = aboutItsVolume(parts.inTurn);
  return {
    /** Throws NotStaged, PublishedDifferently, PathNotOurs. */
    publish: async (wish: PublishWish): Promise<void> => {
      const stagingTargetPath = await placeOf(parts, wish.stagingTargetPath, 'staging_target_path');
      const targetPath = await placeOf(parts, wish.targetPath, 'target_path');
      requireApart(stagingTargetPath, targetPath);
      await onVolume(wish.volumeId, () => publish(parts, { ...wish, stagingTargetPath, targetPath }));
    },
    /** OK where nothing is published. Removes what was made for it, and never anything with content. */
    unpublish: async (volumeId: VolumeId, targetPath: string): Promise<void> => {
      const place = await placeOf(parts, targetPath, 'target_path');
      await onVolume(volumeId, () => unpublish(parts, volumeId, place));
    },
    /** Throws VolumeNotFound if the volume is not at that path. */
    stats: async (asked: StatsWish): Promise<VolumeStats> => {
      const volumePath = await placeOf(parts, asked.volumePath, 'volume_path');
      const staging = asked.stagingTargetPath;
      const stagingTargetPath =
        staging === undefined ? undefined : await placeOf(parts, staging, 'staging_target_path');
      return await aboutVolume(asked.volumeId, () => statsOf(parts, { ...asked, volumePath, stagingTargetPath }));
    },
  };
}

async function publish(parts: NodeParts, wish: PublishWish): Promise<void> {
  const { volumeId, kind, stagingTargetPath } = wish;
  const note = await findNote(parts, wish);
  if (!note) throw new Fault('NotStaged', `${volumeId} is not staged at ${stagingTargetPath}`);
  if (note.mode.kind !== kind) {
    throw new Fault('NotStaged', `${volumeId} is staged as ${note.mode.kind} at ${stagingTargetPath}, not as ${kind}`);
  }
  const { device } = await findConnection(parts, note.nqn);
  if (!device) throw lost(volumeId, 'its connection has no device any more');
  if (kind === 'block') await publishDevice(parts, wish, { device, note });
  else await publishMount(parts, wish, { device, note });
}

async function publishMount(parts: NodeParts, wish: PublishWish, { device, note }: Staged): Promise<void> {
  const { mounts, notes, paths } = parts;
  const { volumeId, stagingTargetPath, targetPath, readOnly } = wish;
  const staged = (await mountsAt(mounts, stagingTargetPath)).at(-1);
  // Also while the stage that puts it back is under way: whoever gets this joins it.
  if (!staged) throw lost(volumeId, `nothing is mounted at ${stagingTargetPath}`);
  if (await isStale(mounts, device, staged)) throw lost(volumeId, `its mount at ${stagingTargetPath} is dead`);
  if (!isOf(device, staged)) {
    throw new Fault('NotStaged', `${volumeId} is not mounted at ${stagingTargetPath}`);
  }
  if (!readOnly && hasTurnedReadOnly(staged)) throw turnedReadOnly(volumeId, staged);
  await removeStaleMounts(parts, { volumeId, mountPoint: targetPath, device });
  const seen = (await mountsAt(mounts, targetPath)).at(-1);
  if (seen) {
    requireOurs(seen, { volumeId, device, path: targetPath });
    if (isReadOnly(seen) === (readOnly || isReadOnly(staged))) return;
    if (!readOnly || !note.readOnlyAt.includes(targetPath)) {
      const way = isReadOnly(seen) ? 'read-only' : 'for writing';
      throw new Fault('PublishedDifferently', `${volumeId} is published at ${targetPath} already, ${way}`);
    }
    // Broken off before it was read-only: no call has answered that it is there, so nobody uses it.
    await mounts.unmount(targetPath);
  }
  const others = (await mounts.list()).filter(
    (mount) => isOf(device, mount) && mount.mountPoint !== stagingTargetPath && mount.mountPoint !== targetPath,
  );
  requireAlone(
    wish,
    others.map(({ mountPoint }) => mountPoint),
  );
  if (readOnly || note.readOnlyAt.includes(targetPath)) {
    const kept = note.readOnlyAt.filter((path) => others.some(({ mountPoint }) => mountPoint === path));
    await notes.write({ ...note, readOnlyAt: readOnly ? [...kept, targetPath] : kept });
  }
  await paths.ensureDirectory(targetPath);
  await mounts.bind({ source: stagingTargetPath, target: targetPath, readOnly });
  const bound = (await mountsAt(mounts, targetPath)).at(-1);
  if (!bound || !isOf(device, bound) || (readOnly && !isReadOnly(bound))) {
    // This very call has bound it, whatever it is: it may be the host's own directory.
    if (bound) await mounts.unmount(targetPath);
    throw new Fault('NodeToolFailed', `${volumeId}: the bind was made, and ${targetPath} does not show it as asked`);
  }
}

interface Staged {
  readonly device: Device;
  readonly note: StageNote;
}

async function publishDevice(parts: NodeParts, wish: PublishWish, { device, note }: Staged): Promise<void> {
  const { notes, paths } = parts;
  const { volumeId, targetPath } = wish;
  if (note.mode.readOnly && !wish.readOnly) {
    throw new Fault('PublishedDifferently', `${volumeId} is staged read-only on this node, asked for writing`);
  }
  const { major, minor } = device;
  const numbersAt = async (path: string): Promise<string | undefined> => {
    const found = await paths.find(path);
    return found?.kind === 'block-device' ? `${found.major}:${found.minor}` : undefined;
  };
  const seen = await numbersAt(targetPath);
  if (seen === `${major}:${minor}`) return;
  const isOutdated = seen !== undefined && note.devicesAt.includes(targetPath);
  if (isOutdated) await removeOutdated(parts, { volumeId, note, device, targetPath });
  else if (seen !== undefined) {
    throw new Fault(
      'PublishedDifferently',
      `${targetPath} is the device ${seen}, ${volumeId} is ${major}:${minor} now`,
    );
  }
  const others = (await devicesOf(parts, note, device)).filter((path) => path !== targetPath);
  requireAlone(wish, others);
  // Those of an earlier device too: they are ours to take away.
  const kept: string[] = [];
  for (const path of note.devicesAt) {
    if (path !== targetPath && (await paths.find(path))?.kind === 'block-device') kept.push(path);
  }
  await notes.write({ ...note, devicesAt: [...kept, targetPath] });
  await paths.ensureDeviceNode({ path: targetPath, major, minor });
  // The numbers of a device that has gone meanwhile may be another volume's next.
  const { device: now } = await findConnection(parts, note.nqn);
  if (now?.major === major && now.minor === minor) return;
  await paths.remove(targetPath);
  throw lost(volumeId, 'its connection was lost while it was published');
}

/** Its numbers are nobody's, or another volume's by now. */
async function removeOutdated(parts: NodeParts, published: Unpublished): Promise<void> {
  await requireNotOfAnother(parts, published);
  await parts.paths.remove(published.targetPath);
}

function requireAlone({ volumeId, exclusive }: PublishWish, others: readonly string[]): void {
  if (!exclusive || others.length === 0) return;
  throw new Fault('VolumeInUse', `${volumeId} is published at ${others.join(', ')}, and may be at one place at a time`);
}

async function unpublish(parts: NodeParts, volumeId: VolumeId, targetPath: string): Promise<void> {
  const { mounts, notes, paths } = parts;
  const { device } = await findConnection(parts, await nqnOf(parts, undefined, volumeId));
  const note = await notes.findOf(volumeId);
  for (let seen = await mountsAt(mounts, targetPath); seen.length > 0; seen = await mountsAt(mounts, targetPath)) {
    const top = seen.at(-1);
    // Dead mounts of an older driver have no note: what is mounted there reads and writes nothing.
    const isDead = top !== undefined && (await isStale(mounts, device, top));
    if (device && top && !isDead) requireOurs(top, { volumeId, device, path: targetPath });
    if (!device && !note && !isDead) {
      throw new Fault(
        'PathNotOurs',
        `${targetPath}: ${top?.source} is mounted there, and nothing is known of ${volumeId}`,
      );
    }
    await mounts.unmount(targetPath);
  }
  await requireNotOfAnother(parts, { volumeId, note, device, targetPath });
  await paths.remove(targetPath);
}

interface Unpublished {
  readonly volumeId: VolumeId;
  readonly note: StageNote | undefined;
  readonly device: Device | undefined;
  readonly targetPath: string;
}

/**
 * Throws PathNotOurs for a device node that was made there for another volume. Notes may still name places that are long gone, and
 * a place may have had both volumes' in turn: the numbers of the node tell, and where they are nobody's any more, the own note.
 */
async function requireNotOfAnother(
  parts: NodeParts,
  { volumeId, note, device, targetPath }: Unpublished,
): Promise<void> {
  const { notes, paths } = parts;
  const found = await paths.find(targetPath);
  if (found?.kind !== 'block-device') return;
  const isThere = (each: Device | undefined): boolean => each?.major === found.major && each.minor === found.minor;
  if (isThere(device)) return;
  const named = await notes.listWithDeviceAt(targetPath);
  const isOwn = note?.devicesAt.includes(targetPath) ?? false;
  for (const other of named.filter((each) => each.volumeId !== volumeId)) {
    if (isOwn && !isThere((await findConnection(parts, other.nqn)).device)) continue;
    throw new Fault('PathNotOurs', `${targetPath} is the device node of ${other.volumeId}, not of ${volumeId}`);
  }
}

/** A target at or below the staging path would be unpublished with it; one above would hide it. */
function requireApart(stagingTargetPath: string, targetPath: string): void {
  const [staging, target] = [`${stagingTargetPath}/`, `${targetPath}/`];
  if (!staging.startsWith(target) && !target.startsWith(staging)) return;
  throw new Fault(
    'InvalidArgument',
    `target_path: ${targetPath} and the staging path ${stagingTargetPath} are within each other`,
  );
}

/** The kubelet takes the volume for staged, and would ask for ever: whoever gets this stages it anew. */
function lost(volumeId: VolumeId, why: string): Fault {
  return new Fault('StageLost', `${volumeId} is staged on this node no more: ${why}`);
}

interface Expected {
  readonly volumeId: VolumeId;
  readonly device: Device;
  readonly path: string;
}

function requireOurs(seen: Mount, { volumeId, device, path }: Expected): void {
  if (isOf(device, seen)) return;
  throw new Fault('PathNotOurs', `${path}: ${seen.source} is mounted there, not ${volumeId}`);
}
