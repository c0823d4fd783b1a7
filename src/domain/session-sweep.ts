import type { Mount } from './mountinfo';
import { type NqnPrefix, type SubsystemNqn, subsystemNqnOf } from './nqn';
import { findVolumeId, type VolumeId } from './volume-id';

/** A session that this driver has made, by all that can be seen of it. */
export interface OwnSession {
  readonly volumeId: VolumeId;
  readonly nqn: SubsystemNqn;
}

/** Which sessions may be looked at with a view to ending them: with the NQN of a volume, made in this node's name alone. */
export function findOwnSessions(
  sessions: ReadonlyMap<string, { readonly isOurs: boolean }>,
  nqnPrefix: NqnPrefix,
): readonly OwnSession[] {
  return [...sessions].flatMap(([name, { isOurs }]) => {
    const volumeId = name.startsWith(nqnPrefix) ? findVolumeId(name.slice(nqnPrefix.length)) : undefined;
    return isOurs && volumeId !== undefined ? [{ volumeId, nqn: subsystemNqnOf(nqnPrefix, volumeId) }] : [];
  });
}

/** Why a session stays. */
export interface Kept {
  /** Somebody uses it; or nobody can tell that nobody does. */
  readonly result: 'in_use' | 'unproven';
  /** For a person. */
  readonly why: string;
}

interface UseFacts {
  readonly device: { readonly path: string; readonly major: number; readonly minor: number };
  readonly mounts: readonly Mount[];
  readonly use: { readonly users: readonly string[]; readonly unknown: readonly string[] };
}

/**
 * Why the device of a session without a stage must stay; undefined: it is proven that nobody has it. Leaving too much is a nuisance;
 * what is taken from somebody who uses it is lost.
 */
export function findWhyKept({ device, mounts, use }: UseFacts): Kept | undefined {
  const places = mounts.filter((mount) => isMountOf(device, mount)).map(({ mountPoint }) => `mounted at ${mountPoint}`);
  const users = [...places, ...use.users];
  if (users.length > 0) return { result: 'in_use', why: `${device.path} is in use: ${users.join('; ')}` };
  if (use.unknown.length === 0) return undefined;
  return { result: 'unproven', why: `nobody can tell whether ${device.path} is in use: ${use.unknown.join('; ')}` };
}

/**
 * Its file system, whatever numbers mountinfo shows for it (btrfs has its own); a partition's; or its device node, bound to another place.
 * A name that is another device's by now is taken for this one's: then it stays.
 */
function isMountOf({ path, major, minor }: UseFacts['device'], mount: Mount): boolean {
  if (mount.major === major && mount.minor === minor) return true;
  const name = path.slice(path.lastIndexOf('/'));
  const isPart = (text: string) =>
    text === path || (text.startsWith(path) && /^p[0-9]+$/.test(text.slice(path.length)));
  return isPart(mount.source) || (mount.fileSystemType === 'devtmpfs' && mount.root === name);
}
