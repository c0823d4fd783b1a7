import { Fault } from '../../domain/fault';
import type { SubsystemNqn } from '../../domain/nqn';
import { isControllerName, isNamespaceName } from '../../domain/nvme-sysfs';
import { type DeviceTree, lookAtDevice, type SeenDevice } from './block-device';
import { devicesWithFileSystem } from './device-holders';
import type { Session } from './port';
import { findAttribute, namesIn } from './sysfs';

/** A controller is one session with a target; the kernel's words for its state. */
interface Controller {
  /** `nvme0`. */
  readonly name: string;
  /** `live`, `connecting`, `resetting`, `deleting`, … */
  readonly state: string;
}

/** What the kernel has of one NQN. */
export interface NvmeConnection {
  /** Its subsystems: one; two while the kernel lets one go and has the next already. */
  readonly subsystems: readonly string[];
  readonly controllers: readonly Controller[];
  /** Names of its namespaces' devices, hidden paths left out. */
  readonly namespaces: readonly string[];
  readonly seen: SeenDevice;
}

/** `deleting`, `deleting (no IO)`, `dead`. */
const LEAVING = /^(?:deleting|dead)/;

/** The connection with an NQN, read from sysfs now; undefined: the kernel has no subsystem of that NQN. Throws NodeToolFailed. */
export async function findConnection(tree: DeviceTree, nqn: SubsystemNqn): Promise<NvmeConnection | undefined> {
  const root = `${tree.sysRoot}/class/nvme-subsystem`;
  const subsystems: string[] = [];
  const controllers: Controller[] = [];
  const namespaces = new Set<string>();
  for (const subsystem of await namesIn(root)) {
    if ((await findNqn(`${root}/${subsystem}/subsysnqn`)) !== nqn) continue;
    subsystems.push(subsystem);
    for (const name of await namesIn(`${root}/${subsystem}`)) {
      if (isNamespaceName(name)) namespaces.add(name);
      if (!isControllerName(name)) continue;
      const state = await findAttribute(`${root}/${subsystem}/${name}/state`);
      // A controller that goes while it is looked at has no state any more.
      if (state === undefined) continue;
      controllers.push({ name, state: state === '' ? 'unknown' : state });
      // Without native multipath a namespace stands below its controller.
      for (const below of await namesIn(`${root}/${subsystem}/${name}`)) {
        if (isNamespaceName(below)) namespaces.add(below);
      }
    }
  }
  if (subsystems.length === 0) return undefined;
  const usable = await withoutHidden(tree, [...namespaces]);
  return { subsystems, controllers, namespaces: usable, seen: await lookAtNamespaces(tree, usable) };
}

/** The NQNs of all that the kernel has. */
export async function listNqns({ sysRoot }: DeviceTree): Promise<readonly string[]> {
  const root = `${sysRoot}/class/nvme-subsystem`;
  const nqns: string[] = [];
  for (const subsystem of await namesIn(root)) {
    const nqn = await findNqn(`${root}/${subsystem}/subsysnqn`);
    if (nqn !== undefined) nqns.push(nqn);
  }
  return nqns;
}

/** Every connection, by NQN. Ours are those of which no controller was made under another host NQN. */
export async function sessionsOf({ sysRoot }: DeviceTree, hostNqn: string): Promise<ReadonlyMap<string, Session>> {
  const root = `${sysRoot}/class/nvme-subsystem`;
  const sessions = new Map<string, Session>();
  for (const subsystem of await namesIn(root)) {
    const nqn = (await findAttribute(`${root}/${subsystem}/subsysnqn`))?.trim();
    if (nqn === undefined) continue;
    for (const name of (await namesIn(`${root}/${subsystem}`)).filter(isControllerName)) {
      const state = await findAttribute(`${root}/${subsystem}/${name}/state`);
      const isOurs = (await findAttribute(`${root}/${subsystem}/${name}/hostnqn`))?.trim() === hostNqn;
      const before = sessions.get(nqn);
      if (state === undefined) continue;
      sessions.set(nqn, {
        state: before?.state === 'live' ? 'live' : state,
        isOurs: isOurs && before?.isOurs !== false,
      });
    }
  }
  return sessions;
}

/**
 * Devices of these subsystems that the kernel has given up and a mount still holds; they keep their subsystem from going. In
 * sysfs there is only the file system left of them.
 */
export async function findStaleDevices(
  tree: DeviceTree,
  { subsystems, namespaces }: NvmeConnection,
): Promise<readonly string[]> {
  const prefixes = subsystems.map((name) => name.replace(/^nvme-subsys([0-9]+)$/, 'nvme$1n'));
  const mounted = await devicesWithFileSystem(tree);
  return mounted.filter((name) => {
    const isOurs = isNamespaceName(name) && prefixes.some((prefix) => name.startsWith(prefix));
    return isOurs && !namespaces.includes(name);
  });
}

/** Whether there is a session of this NQN that a second one must not be made beside. */
export function isConnected(connection: NvmeConnection | undefined): connection is NvmeConnection {
  return connection !== undefined && connection.controllers.length > 0;
}

/** Whether all that is left is on its way out. */
export function isLeaving(connection: NvmeConnection | undefined): boolean {
  return isConnected(connection) && connection.controllers.every(({ state }) => LEAVING.test(state));
}

/** The sessions that answer. */
export function liveControllers(connection: NvmeConnection): readonly Controller[] {
  return connection.controllers.filter(({ state }) => state === 'live');
}

/** One word for all sessions: one that is live carries the I/O of all. */
export function stateOf(connection: NvmeConnection): string {
  if (liveControllers(connection).length > 0) return 'live';
  return connection.controllers[0]?.state ?? 'no controller';
}

/** For people: `nvme-subsys0, controller nvme0 connecting, no namespace`. */
export function formatConnection(connection: NvmeConnection): string {
  const { subsystems, controllers, seen } = connection;
  const sessions = controllers.map(({ name, state }) => `controller ${name} ${state}`);
  const device = seen.kind === 'usable' ? seen.device.path : seen.why;
  return [...subsystems, ...(sessions.length > 0 ? sessions : ['no controller']), device].join(', ');
}

async function findNqn(file: string): Promise<string | undefined> {
  const nqn = (await findAttribute(file))?.trim();
  if (nqn === '') throw new Fault('NodeToolFailed', `${file} is blank: whose connection it is cannot be told`);
  return nqn;
}

async function withoutHidden(tree: DeviceTree, names: readonly string[]): Promise<readonly string[]> {
  const usable: string[] = [];
  for (const name of names) {
    if ((await findAttribute(`${tree.sysRoot}/block/${name}/hidden`)) !== '1') usable.push(name);
  }
  return usable;
}

/** An export has one namespace; with several nobody could say which one is the volume. */
async function lookAtNamespaces(tree: DeviceTree, names: readonly string[]): Promise<SeenDevice> {
  const [name, ...others] = names;
  if (name === undefined) return { kind: 'unusable', why: 'no namespace' };
  if (others.length > 0) return { kind: 'unusable', why: `${names.length} namespaces (${names.join(', ')}), not one` };
  return lookAtDevice(tree, name);
}
