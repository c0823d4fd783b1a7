import type { FileSystemsPort, Mount, MountPort, PathsPort } from '../adapters/mount/port';
import type { ConnectorPort, Device } from '../adapters/nvme/port';
import type { StageNote, StageNotesPort } from '../adapters/stage-notes/port';
import { Fault } from '../domain/fault';
import { isMountOf } from '../domain/mountinfo';
import { type NodeId, type NqnPrefix, type SubsystemNqn, subsystemNqnOf } from '../domain/nqn';
import type { VolumeId } from '../domain/volume-id';
import type { StageDemand } from './stage-demand';
import type { StaleMounts } from './stale-watch';
import type { InTurn } from './turns';

/** What a node does its work with. */
export interface NodeParts {
  readonly nodeId: NodeId;
  readonly connector: ConnectorPort;
  readonly mounts: MountPort;
  readonly fileSystems: FileSystemsPort;
  readonly paths: PathsPort;
  readonly notes: StageNotesPort;
  /** Acts on one volume never overlap in this process, whoever asks for them. */
  readonly inTurn: InTurn;
  /** What is staged is what the kubelet still asks for. */
  readonly demand: Pick<StageDemand, 'require'>;
  /** All paths are below it: the kubelet's own. */
  readonly kubeletDir: string;
  /** Since when the session of an NQN is lost, in milliseconds of the epoch; undefined: it is not, or nobody has seen it. */
  readonly lostSince: (nqn: SubsystemNqn) => number | undefined;
  /** Told of mounts whose device is gone. */
  readonly staleMounts: StaleMounts;
  /** For volumes whose note is gone: what their NQNs begin with. */
  readonly nqnPrefix: NqnPrefix;
}

/** Mounts at a place, oldest first; the last one is what is seen there. */
export async function mountsAt(mounts: Pick<MountPort, 'list'>, mountPoint: string): Promise<readonly Mount[]> {
  return (await mounts.list()).filter((mount) => mount.mountPoint === mountPoint);
}

/** Whether a mount shows this device. */
export function isOf(device: Device, mount: Mount): boolean {
  return isMountOf(mount, device);
}

/** The note of a stage of this volume. One of another volume at the same path: StagedDifferently. */
export async function findNote(
  { notes }: NodeParts,
  { volumeId, stagingTargetPath }: { readonly volumeId: VolumeId; readonly stagingTargetPath: string },
): Promise<StageNote | undefined> {
  const note = await notes.find(stagingTargetPath);
  if (note && note.volumeId !== volumeId) {
    throw new Fault(
      'StagedDifferently',
      `${stagingTargetPath} is the staging path of ${note.volumeId}, not of ${volumeId}`,
    );
  }
  return note;
}

/** The volume's NQN: of its note, wherever that is; without one, of its connection; else as this driver makes it by default. */
export async function nqnOf(
  { connector, notes, nqnPrefix }: NodeParts,
  note: StageNote | undefined,
  volumeId: VolumeId,
): Promise<SubsystemNqn> {
  const found = note ?? (await notes.findOf(volumeId));
  return found?.nqn ?? (await connector.findNqnOf(volumeId)) ?? subsystemNqnOf(nqnPrefix, volumeId);
}

/** Whether the kernel has a connection of that NQN, and its device: one that has lost its device has none to be looked at. */
export async function findConnection({ connector }: NodeParts, nqn: SubsystemNqn): Promise<Connection> {
  try {
    const device = await connector.find(nqn);
    return { connected: device !== undefined, device };
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'DeviceMismatch') throw error;
    return { connected: true, device: undefined, trouble: error.message };
  }
}

interface Connection {
  readonly connected: boolean;
  readonly device: Device | undefined;
  /** Why it has no device that can be used, for a person. */
  readonly trouble?: string;
}

/** A path as mountinfo shows it, below the kubelet's directory and with no link on the way. Throws InvalidArgument naming the field. */
export function placeOf({ paths, kubeletDir }: NodeParts, path: string, field: string): Promise<string> {
  return paths.resolveBelow(path, kubeletDir, field);
}

/** Places where nodes of this device are now, whichever of the volume's stages they were made for; undefined: of any device it has had. */
export async function devicesOf(
  { notes, paths }: NodeParts,
  note: StageNote,
  device: Device | undefined,
): Promise<readonly string[]> {
  const noted = [note, ...(await notes.listOf(note.volumeId))].flatMap(({ devicesAt }) => devicesAt);
  const places: string[] = [];
  for (const path of new Set(noted)) {
    const found = await paths.find(path);
    if (found?.kind !== 'block-device') continue;
    if (!device || (found.major === device.major && found.minor === device.minor)) places.push(path);
  }
  return places;
}

/** Nothing that is written there arrives: whoever is told so sees to it. */
export function turnedReadOnly(volumeId: VolumeId, { mountPoint }: Mount): Fault {
  return new Fault(
    'NodeToolFailed',
    `${volumeId}: its file system at ${mountPoint} has become read-only, the kernel has met errors on it: delete the pods that have the ` +
      'volume here, so that it is unstaged, and check it (fsck)',
  );
}
