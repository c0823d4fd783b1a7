import type { DeviceUse, DeviceUsersPort } from '../adapters/mount/port';
import type { ConnectorPort, Device } from '../adapters/nvme/port';
import type { StageTracesPort } from '../adapters/stage-notes/port';
import { Fault } from '../domain/fault';
import { findOwnSessions, findWhyKept, type Kept, type OwnSession } from '../domain/session-sweep';
import type { VolumeId } from '../domain/volume-id';
import type { NodeParts } from './node-parts';

/** What became of a session of ours that no stage knows of. */
export type Swept = OwnSession & ({ readonly result: 'swept' } | Kept);

export interface SweepParts extends Pick<NodeParts, 'inTurn' | 'nqnPrefix'> {
  readonly connector: Pick<ConnectorPort, 'sessions' | 'find' | 'disconnect'>;
  readonly fileSystems: Pick<NodeParts['fileSystems'], 'requireUnused'>;
  readonly mounts: Pick<NodeParts['mounts'], 'list'>;
  readonly notes: Pick<NodeParts['notes'], 'findOf'>;
  readonly traces: StageTracesPort;
  readonly deviceUsers: DeviceUsersPort;
  readonly nowMs: () => number;
}

interface SweepOptions {
  /** Aborted: nothing more is ended. What is being ended is seen through. */
  readonly signal: AbortSignal;
  readonly observe: (swept: Swept) => void;
}

/** A look at who uses devices is as good as new for so long. It takes seconds on a slow machine, so that one serves several sessions. */
const LOOK_LIFE_MS = 5_000;

/**
 * Ends the sessions that an earlier process of this node, or an earlier driver, has left: made in this node's name, with the NQN of a
 * volume, without the note that every stage leaves before it connects, whatever the name of the driver, without a record of the kubelet's,
 * and proven to be used by nobody. All others stay, and nothing else on the machine is touched. Throws NodeToolFailed if the sessions
 * cannot be listed.
 */
export async function sweepSessions(parts: SweepParts, options: SweepOptions): Promise<void> {
  const own = findOwnSessions(await parts.connector.sessions(), parts.nqnPrefix);
  const findUse = createUses(parts, own);
  for (const session of own) {
    // The note is looked at in the volume's turn: a stage that has begun meanwhile is over, or begins when this is.
    const swept = await parts
      .inTurn(session.volumeId, () => sweep({ ...parts, findUse, signal: options.signal }, session))
      .catch(keptBy);
    if (swept) options.observe({ ...session, ...swept });
  }
}

type FindUse = (device: Device) => Promise<DeviceUse>;

interface SweepStep extends SweepParts {
  readonly findUse: FindUse;
  readonly signal: AbortSignal;
}

type Outcome = { readonly result: 'swept' } | Kept;

const LATE: Kept = { result: 'unproven', why: 'the time for it at the start was over' };

/** A stage of this driver: nothing is to be told. Or why a stage of somebody else's keeps it. */
type Staged = 'here' | Kept;

/** Undefined: no record of this node says that the volume is staged. */
async function findStaged({ notes, traces }: SweepStep, volumeId: VolumeId): Promise<Staged | undefined> {
  if (await notes.findOf(volumeId)) return 'here';
  const found = await traces.find(volumeId);
  return found.length > 0 ? { result: 'in_use', why: `${volumeId} is ${found.join('; ')}` } : undefined;
}

/** Undefined: it is staged by this driver, gone, or not ours any more. */
async function sweep(step: SweepStep, session: OwnSession): Promise<Outcome | undefined> {
  const { volumeId, nqn } = session;
  const { connector, signal } = step;
  const stagedBefore = await findStaged(step, volumeId);
  if (stagedBefore) return stagedBefore === 'here' ? undefined : stagedBefore;
  if (signal.aborted) return LATE;
  const device = await connector.find(nqn);
  if (!device) return undefined;
  const kept = await findWhyNotEnded(step, session, device);
  if (kept) return kept;
  // All of this may have taken long, and another process's stages take no turns with this one. A stage says so before it connects, and
  // the kubelet before it asks for one: so this is looked at last, right before the end.
  const stagedSince = await findStaged(step, volumeId);
  if (stagedSince) return stagedSince === 'here' ? undefined : stagedSince;
  if (signal.aborted) return LATE;
  await connector.disconnect(nqn);
  return { result: 'swept' };
}

/** Undefined: nobody uses it, and it is still the session that was looked at. */
async function findWhyNotEnded(step: SweepStep, { nqn }: OwnSession, device: Device): Promise<Kept | undefined> {
  const { connector, fileSystems, mounts, findUse, nqnPrefix } = step;
  const use = await findUse(device);
  const kept = findWhyKept({ device, mounts: await mounts.list(), use });
  if (kept) return kept;
  await fileSystems.requireUnused(device.path);
  const still = findOwnSessions(await connector.sessions(), nqnPrefix).some((each) => each.nqn === nqn);
  const now = await connector.find(nqn);
  if (still && now?.major === device.major && now.minor === device.minor) return undefined;
  return { result: 'unproven', why: 'it is not the session any more that was looked at' };
}

function keptBy(error: unknown): Kept {
  if (!(error instanceof Fault)) throw error;
  return { result: error.kind === 'MountBusy' ? 'in_use' : 'unproven', why: error.message };
}

/** Looks for the users of all devices that are still to be judged at once, and again when that is too long ago. */
function createUses({ connector, notes, deviceUsers, nowMs }: SweepParts, own: readonly OwnSession[]): FindUse {
  let last:
    | { readonly ms: number; readonly devices: readonly Device[]; readonly uses: readonly DeviceUse[] }
    | undefined;
  const devicesWithoutStage = async (): Promise<readonly Device[]> => {
    const devices: Device[] = [];
    for (const { volumeId, nqn } of own) {
      const device = await notes
        .findOf(volumeId)
        .then((note) => (note ? undefined : connector.find(nqn)))
        .catch(() => undefined);
      if (device) devices.push(device);
    }
    return devices;
  };
  return async (device) => {
    const isThis = (each: Device) =>
      each.nqn === device.nqn && each.major === device.major && each.minor === device.minor;
    if (!last?.devices.some(isThis) || nowMs() - last.ms > LOOK_LIFE_MS) {
      const others = (await devicesWithoutStage()).filter((each) => !isThis(each));
      const devices = [device, ...others];
      const ms = nowMs();
      last = { ms, devices, uses: await deviceUsers.find(devices) };
    }
    const use = last.uses[last.devices.findIndex(isThis)];
    if (!use) throw new Fault('NodeToolFailed', `${device.nqn}: nobody has said who uses ${device.path}`);
    return use;
  };
}
