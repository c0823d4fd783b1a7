import { Fault } from '../fault';
import { findVolumeId, type VolumeId } from '../volume-id';
import { parseVolumePathUnder, type VolumePath } from '../volume-path';

/**
 * What makes a disk this driver's: a slot of the form of a volume ID, `type=file`, an NQN that ends in that ID, and a backing
 * file of that name at or below a configured root. Said twice: as patterns that a script asks RouterOS about before it changes
 * anything, and as a check of what RouterOS answered.
 */

const ID_PATTERN = 'pvc-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+';

/** Slots of the form of a volume ID, loosely: what matches is looked at again here. POSIX, as all patterns of this module. */
export const SLOT_PATTERN = `^${ID_PATTERN}$`;

/** A path segment that is neither `.` nor `..`: it has something other than dots in it. */
const SEGMENT_PATTERN = '[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*';

/** A name of `[A-Za-z0-9._:/-]` as a pattern that matches it alone: in brackets, a dot needs no backslash. */
export function patternOf(name: string): string {
  return name.replace(/\./g, '[.]');
}

/** The NQNs that a volume may be exported as. */
export function nqnPattern(volumeId: VolumeId): string {
  return `:${patternOf(volumeId)}$`;
}

/** The paths that a volume's backing file may have, with or without their leading slash. */
export function filePathPattern(volumeId: VolumeId, roots: readonly VolumePath[]): string {
  const names = roots.map((root) => patternOf(root.slice(1)));
  return `^/?(${names.join('|')})(/${SEGMENT_PATTERN})*/${patternOf(volumeId)}[.]img$`;
}

/** The paths that any volume's backing file may have: as `filePathPattern`, of all that is called like a volume. */
export function anyFilePathPattern(roots: readonly VolumePath[]): string {
  return `^/?(${roots.map((root) => patternOf(root.slice(1))).join('|')})(/${SEGMENT_PATTERN})*/${ID_PATTERN}[.]img$`;
}

/** The volume that a backing file is called after; undefined: none, or it lies below no root. */
export function findVolumeOf(filePath: string, roots: readonly VolumePath[]): VolumeId | undefined {
  const volumeId = findVolumeId(filePath.slice(filePath.lastIndexOf('/') + 1).replace(/[.]img$/, ''));
  return volumeId !== undefined && findVolumePath(filePath, volumeId, roots) !== undefined ? volumeId : undefined;
}

/** A path as RouterOS shows it, with or without a leading slash, in the driver's form: with one. */
export function withLeadingSlash(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

/** The directory of a backing file that is the volume's by name and place; undefined if it is not. */
export function findVolumePath(
  filePath: string,
  volumeId: VolumeId,
  roots: readonly VolumePath[],
): VolumePath | undefined {
  const name = `/${volumeId}.img`;
  const path = withLeadingSlash(filePath);
  if (!path.endsWith(name)) return undefined;
  try {
    return parseVolumePathUnder(path.slice(0, -name.length), roots, 'file-path');
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** Whether a disk in a volume's slot is this driver's. */
export function isOurs(
  disk: { readonly type: string; readonly nqn: string; readonly filePath: string },
  volumeId: VolumeId,
  roots: readonly VolumePath[],
): boolean {
  return (
    disk.type === 'file' &&
    disk.nqn.endsWith(`:${volumeId}`) &&
    findVolumePath(disk.filePath, volumeId, roots) !== undefined
  );
}
