import type { ConnectTarget } from '../adapters/nvme/port';
import type { StageMode } from '../adapters/stage-notes/port';
import type { StageStep } from '../contract/activities';
import { parseFileSystem } from '../domain/file-system';
import { parseMountFlag } from '../domain/mount-flags';
import { parseSubsystemNqn } from '../domain/nqn';
import { parseVolumeId, type VolumeId } from '../domain/volume-id';

/** A stage as the node's activities work with it: everything that came over the wire is parsed again. */
export interface Stage {
  readonly volumeId: VolumeId;
  readonly stagingTargetPath: string;
  readonly target: ConnectTarget;
  readonly mode: StageMode;
  readonly mkfsOptions: readonly string[];
  readonly runId: string;
  /** The kubelet takes the volume for staged, whatever becomes of this stage. */
  readonly restages: boolean;
  /** It is undone because nobody wants it any more. */
  readonly cancelled: boolean;
}

export function parseStage(step: StageStep): Stage {
  const { volumeId, stagingTargetPath, target, mode, runId } = step;
  return {
    volumeId: parseVolumeId(volumeId),
    stagingTargetPath,
    target: { ...target, nqn: parseSubsystemNqn(target.nqn, 'nqn'), keepAliveTmo: target.keepAliveTmo },
    mode: parseMode(mode),
    mkfsOptions: mode.kind === 'mount' ? mode.mkfsOptions : [],
    runId,
    restages: step.restages === true,
    cancelled: step.cancelled === true,
  };
}

function parseMode(mode: StageStep['mode']): StageMode {
  if (mode.kind === 'block') return mode;
  const fileSystem = parseFileSystem(mode.fileSystem, 'fs_type');
  const mountFlags = mode.mountFlags.map((flag) => parseMountFlag(flag, { fileSystem, field: 'mount_flags' }));
  return { kind: 'mount', fileSystem, mountFlags, readOnly: mode.readOnly };
}

/** Whether two stages of a volume at one path are the same. */
export function isSameMode(one: StageMode, other: StageMode): boolean {
  if (one.kind === 'block' || other.kind === 'block') {
    return one.kind === other.kind && one.readOnly === other.readOnly;
  }
  return (
    one.fileSystem === other.fileSystem &&
    one.readOnly === other.readOnly &&
    one.mountFlags.join() === other.mountFlags.join()
  );
}
