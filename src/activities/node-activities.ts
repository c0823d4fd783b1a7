import type { Device } from '../adapters/nvme/port';
import type { StageNote } from '../adapters/stage-notes/port';
import type { ConnectResult, NodeActivities, StageStep } from '../contract/activities';
import { Fault } from '../domain/fault';
import type { SubsystemNqn } from '../domain/nqn';
import { parseBytes } from '../domain/size';
import { parseVolumeId, type VolumeId } from '../domain/volume-id';
import { aboutItsVolume } from './about-volume';
import { growVolume } from './grow-volume';
import { devicesOf, findConnection, findNote, isOf, mountsAt, type NodeParts, nqnOf, placeOf } from './node-parts';
import { isSameMode, parseStage, type Stage } from './stage-input';
import { isStale, removeStaleMounts } from './stale-mounts';

/** What is done on a node, over its connector, its mounts and its file systems. */
export function createNodeActivities(parts: NodeParts): NodeActivities {
  const stageOf = async (step: StageStep): Promise<Stage> => {
    const stage = parseStage(step);
    return { ...stage, stagingTargetPath: await placeOf(parts, stage.stagingTargetPath, 'staging_target_path') };
  };
  const onVolume = aboutItsVolume(parts.inTurn);
  const inTurn = async <T>(step: StageStep, act: (parts: NodeParts, stage: Stage) => Promise<T>): Promise<T> => {
    const stage = await stageOf(step);
    return await onVolume(stage.volumeId, () => act(parts, stage));
  };
  /** Asked when its turn has come, right before it acts, by the path that the kubelet has named. */
  const ifWanted =
    <T>(act: (parts: NodeParts, stage: Stage) => Promise<T>) =>
    (step: StageStep) =>
      inTurn(step, (all, stage) => {
        all.demand.require({ volumeId: stage.volumeId, stagingTargetPath: step.stagingTargetPath });
        return act(all, stage);
      });
  return {
    connectVolume: ifWanted(connectVolume),
    prepareFileSystem: ifWanted(prepareFileSystem),
    mountStaging: ifWanted(mountStaging),
    undoStage: (step) => inTurn(step, undoStage),
    unstageVolume: async (input) => {
      const volumeId = parseVolumeId(input.volumeId);
      const stagingTargetPath = await placeOf(parts, input.stagingTargetPath, 'staging_target_path');
      await onVolume(volumeId, () => unstage(parts, volumeId, stagingTargetPath));
    },
    findHeldVolumes: async ({ volumeIds }) => {
      const held: string[] = [];
      for (const volumeId of volumeIds) {
        const nqn = await nqnOf(parts, undefined, parseVolumeId(volumeId));
        if ((await findConnection(parts, nqn)).connected) held.push(volumeId);
      }
      return { held };
    },
    growFileSystem: async ({ volumeId: text, volumePath, sizeBytes }) => {
      const volumeId = parseVolumeId(text);
      const leastBytes = sizeBytes === undefined ? undefined : parseBytes(sizeBytes, 'sizeBytes');
      const place = await placeOf(parts, volumePath, 'volume_path');
      const device = await onVolume(volumeId, () => growVolume(parts, { volumeId, volumePath: place, leastBytes }));
      return { sizeBytes: device.sizeBytes.toString() };
    },
  };
}

async function connectVolume(parts: NodeParts, stage: Stage): Promise<ConnectResult> {
  const { connector, fileSystems, notes, nodeId } = parts;
  const { volumeId, target, stagingTargetPath, mode, runId } = stage;
  const note = await findNote(parts, stage);
  if (note) await removeStale(parts, note);
  // By the note's own NQN: asked for under another one, a volume that is in use would look like one that is gone.
  const staged = note !== undefined && (await findConnection(parts, note.nqn)).connected;
  if (staged && (note.nqn !== target.nqn || !isSameMode(note.mode, mode))) {
    throw new Fault('StagedDifferently', `${volumeId} is staged at ${stagingTargetPath} already, in another way`);
  }
  if (!staged) {
    const { connected } = await findConnection(parts, target.nqn);
    if (!note) await requireSameElsewhere(parts, stage);
    // Before the act: a process that dies between the two leaves a note of too much, never a connection that nobody knows of.
    const connectedBy = connected ? undefined : runId;
    await notes.write({
      volumeId,
      nodeId,
      nqn: target.nqn,
      stagingTargetPath,
      mode,
      connectedBy,
      mountedBy: undefined,
      madeBy: runId,
      devicesAt: note?.devicesAt ?? [],
      readOnlyAt: [],
    });
  }
  const { device } = await connector.connect(target);
  if (device.sizeBytes === parseBytes(0n, 'size')) {
    throw new Fault('ConnectFailed', `${volumeId}: its device ${device.path} has no size yet`);
  }
  await fileSystems.setReadOnly(device.path, mode.kind === 'block' && mode.readOnly);
  // Perhaps an earlier try has taken it away.
  return parts.staleMounts.isBegun(volumeId) ? { recovers: true } : {};
}

/**
 * A volume has one NQN, and its device is read-only, or a file system's, at all staging paths or at none: a second one changes
 * nothing for the first.
 */
async function requireSameElsewhere(parts: NodeParts, { volumeId, target, mode }: Stage): Promise<void> {
  const other = await parts.notes.findOf(volumeId);
  if (!other || !(await findConnection(parts, other.nqn)).connected) return;
  const isSameKind = other.mode.kind === mode.kind && (mode.kind === 'mount' || other.mode.readOnly === mode.readOnly);
  if (isSameKind && other.nqn === target.nqn) return;
  throw new Fault('StagedDifferently', `${volumeId} is staged at ${other.stagingTargetPath} already, in another way`);
}

/** What a note's stage has mounted, and the kernel has given up the device of: after that the next mount finds its place free. */
async function removeStale(parts: NodeParts, { volumeId, nqn, stagingTargetPath }: StageNote): Promise<void> {
  const { device } = await findConnection(parts, nqn);
  if (await removeStaleMounts(parts, { volumeId, mountPoint: stagingTargetPath, device }))
    parts.staleMounts.begin(volumeId);
}

async function prepareFileSystem(parts: NodeParts, stage: Stage): Promise<void> {
  const { fileSystems, mounts, notes } = parts;
  const { volumeId, mode, mkfsOptions } = stage;
  if (mode.kind === 'block') return;
  const where = { volumeId, nqn: stage.target.nqn };
  const device = await getDevice(parts, where);
  // A file system in use is not looked at, let alone made.
  if ((await mounts.list()).some((mount) => isOf(device, mount))) return;
  const formatting = await notes.isFormatting(volumeId);
  const content = await fileSystems.inspect(device.path);
  if (content.kind === 'file-system' && content.type === mode.fileSystem) {
    // Also after a format whose end was not seen: mkfs writes what makes it a file system last.
    if (formatting) await notes.setFormatting(volumeId, false);
    return;
  }
  if (content.kind !== 'blank' && !formatting) {
    const found = content.kind === 'file-system' ? `an ${content.type} file system` : content.found;
    throw new Fault('DeviceNotBlank', `${volumeId}: ${found} is on it, not ${mode.fileSystem}; it is never formatted`);
  }
  if (mode.readOnly) {
    throw new Fault('DeviceBlank', `${volumeId}: there is no file system on it, and it is wanted read-only`);
  }
  // On this node's disk before the first byte of the file system is on the device.
  await notes.setFormatting(volumeId, true);
  const { fileSystem } = mode;
  try {
    await fileSystems.format({
      devicePath: device.path,
      fileSystem,
      options: mkfsOptions,
      resumes: formatting,
      requireSame: () => requireSame(parts, where, device),
    });
  } catch (error) {
    if (await isStillBlank(parts, where, device)) await notes.setFormatting(volumeId, false);
    throw error;
  }
  await notes.setFormatting(volumeId, false);
}

/** Proven only when no mkfs is at work on it any more, not one of an earlier process either, and if it was this volume all the time. */
async function isStillBlank(parts: NodeParts, where: Where, device: Device): Promise<boolean> {
  const { fileSystems } = parts;
  try {
    await fileSystems.requireUnused(device.path);
    if ((await fileSystems.inspect(device.path)).kind !== 'blank') return false;
    await requireSame(parts, where, device);
    return true;
  } catch {
    return false;
  }
}

/**
 * Before the volume leaves this node: of a format that has written nothing no mark stays. Another node may make a file system on it
 * now, and should that ever be damaged, it would look here like the half of ours.
 */
async function forgetFormatOfBlank(parts: NodeParts, volumeId: VolumeId, nqn: SubsystemNqn): Promise<void> {
  if (!(await parts.notes.isFormatting(volumeId))) return;
  const { device } = await findConnection(parts, nqn);
  if (device && (await isStillBlank(parts, { volumeId, nqn }, device)))
    await parts.notes.setFormatting(volumeId, false);
}

async function mountStaging(parts: NodeParts, stage: Stage): Promise<void> {
  const { mounts, notes, paths } = parts;
  const { volumeId, mode, stagingTargetPath, runId } = stage;
  if (mode.kind === 'block') return;
  const where = { volumeId, nqn: stage.target.nqn };
  const device = await getDevice(parts, where);
  const seen = (await mountsAt(mounts, stagingTargetPath)).at(-1);
  if (seen && isOf(device, seen)) return;
  if (seen) {
    throw new Fault('PathNotOurs', `${stagingTargetPath}: ${seen.source} is mounted there, not ${volumeId}`);
  }
  const note = await getNote(parts, stage);
  await notes.write({ ...note, mountedBy: runId });
  await paths.ensureDirectory(stagingTargetPath);
  await mounts.mountDevice({
    devicePath: device.path,
    mountPoint: stagingTargetPath,
    fileSystem: mode.fileSystem,
    options: mode.mountFlags,
    readOnly: mode.readOnly,
  });
  const mounted = (await mountsAt(mounts, stagingTargetPath)).at(-1);
  if (!mounted || !isOf(device, mounted)) {
    throw new Fault(
      'NodeToolFailed',
      `${volumeId}: mount was content, and ${stagingTargetPath} does not show its device`,
    );
  }
  // Of a device that has gone meanwhile, name and numbers may be another volume's by now; what is mounted keeps its own.
  await requireSame(parts, where, device).catch(async (error: unknown) => {
    await mounts.unmount(stagingTargetPath);
    throw error;
  });
  parts.staleMounts.ended(volumeId, 'recovered');
}

/** Only what this very run made: a stage that another run completed has a user. */
async function undoStage(parts: NodeParts, stage: Stage): Promise<void> {
  const { connector, mounts, notes } = parts;
  const { volumeId, stagingTargetPath, runId } = stage;
  if (!stage.cancelled) parts.staleMounts.ended(volumeId, 'recovery-failed');
  const note = await findNote(parts, stage);
  if (!note) return;
  if (note.mountedBy === runId) {
    const { device } = await findConnection(parts, note.nqn);
    const seen = (await mountsAt(mounts, stagingTargetPath)).at(-1);
    if (seen && (!device || isOf(device, seen))) await mounts.unmount(stagingTargetPath);
  }
  if (note.connectedBy !== runId && note.madeBy !== runId) {
    if (note.mountedBy === runId) await notes.write({ ...note, mountedBy: undefined });
    return;
  }
  if (note.connectedBy === runId) {
    await forgetFormatOfBlank(parts, volumeId, note.nqn);
    await connector.disconnect(note.nqn);
  }
  // The kubelet goes on taking it for staged: the next publish must find that it is not, and stage it, for ever if need be.
  if (stage.restages) await notes.write({ ...note, connectedBy: undefined, mountedBy: undefined, madeBy: undefined });
  else await notes.remove({ volumeId, stagingTargetPath });
}

async function unstage(parts: NodeParts, volumeId: VolumeId, stagingTargetPath: string): Promise<void> {
  const { connector, fileSystems, mounts, notes } = parts;
  const note = await findNote(parts, { volumeId, stagingTargetPath });
  const nqn = await nqnOf(parts, note, volumeId);
  const { device, connected } = await findConnection(parts, nqn);
  // A device that cannot be used as it is seen from here may be in use all the same: all that was made of it counts.
  const published = note && connected ? await devicesOf(parts, note, device) : [];
  // A device node in use is not seen by the kernel's tables of mounts: pulled away, its numbers would be another volume's next.
  if (published.length > 0) throw new Fault('MountBusy', `${volumeId} is still published at ${published.join(', ')}`);
  for (
    let seen = await mountsAt(mounts, stagingTargetPath);
    seen.length > 0;
    seen = await mountsAt(mounts, stagingTargetPath)
  ) {
    const top = seen.at(-1);
    // A device that the kernel gave up is gone from its tables; its mount reads and writes nothing, an older driver's without a note too.
    const isDead = top !== undefined && (await isStale(mounts, device, top));
    const isOurs = isDead || (top && device && isOf(device, top));
    if (!isOurs)
      throw new Fault('PathNotOurs', `${stagingTargetPath}: ${top?.source} is mounted there, not ${volumeId}`);
    await mounts.unmount(stagingTargetPath);
  }
  // mountinfo forgets a mount before its last data is written.
  if (device) await fileSystems.requireUnused(device.path);
  await forgetFormatOfBlank(parts, volumeId, nqn);
  await connector.disconnect(nqn);
  if ((await findConnection(parts, nqn)).connected)
    throw new Fault('NodeTimeout', `${volumeId}: the kernel still has its connection`);
  await notes.remove({ volumeId, stagingTargetPath });
  parts.staleMounts.forget(volumeId);
}

interface Where {
  readonly volumeId: VolumeId;
  readonly nqn: SubsystemNqn;
}

async function getDevice({ connector }: NodeParts, { volumeId, nqn }: Where): Promise<Device> {
  const device = await connector.find(nqn);
  // Trying this step again would wait for ever: the step that connects is done.
  if (!device) throw new Fault('ConnectionLost', `${volumeId} is not connected any more: the next stage begins anew`);
  return device;
}

/** Throws ConnectionLost if the volume has another device by now, or none. */
async function requireSame(parts: NodeParts, where: Where, device: Device): Promise<void> {
  const { path, major, minor } = await getDevice(parts, where);
  if (path === device.path && major === device.major && minor === device.minor) return;
  throw new Fault(
    'ConnectionLost',
    `${where.volumeId} was ${device.path} and is ${path} now: the next stage begins anew`,
  );
}

async function getNote(parts: NodeParts, stage: Stage): Promise<StageNote> {
  const note = await findNote(parts, stage);
  if (!note)
    throw new Fault('NotStaged', `${stage.volumeId}: the note of its stage at ${stage.stagingTargetPath} is gone`);
  return note;
}
