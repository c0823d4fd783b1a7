import { Fault } from '../../domain/fault';
import { findNqnOf, type SubsystemNqn } from '../../domain/nqn';
import type { Bytes } from '../../domain/size';
import type { VolumeId } from '../../domain/volume-id';
import type { MountPort } from '../mount/port';
import type { ProcessPort } from '../process/port';
import type { DeviceTree } from './block-device';
import { type ConnectLine, createConnectLine } from './connect-line';
import { requireUnheld } from './device-holders';
import { inTurn } from './in-turn';
import { CONNECTOR_LIMITS, type ConnectorLimits } from './limits';
import { runNvmeConnect } from './nvme-connect';
import {
  findConnection,
  findStaleDevices,
  formatConnection,
  isConnected,
  isLeaving,
  listNqns,
  liveControllers,
  type NvmeConnection,
  sessionsOf,
  stateOf,
} from './nvme-connection';
import { type Clock, pollUntil, systemClock } from './poll';
import type { ConnectorPort, ConnectTarget, Device, HostIdentity, Session } from './port';
import { nodeNumbersOf } from './sysfs';
import { undoAfter } from './undo';
import { wordsOf } from './words';

export interface NvmeConnectorOptions {
  readonly processes: ProcessPort;
  readonly mounts: Pick<MountPort, 'list'>;
  readonly host: HostIdentity;
  readonly sysRoot?: string;
  readonly devRoot?: string;
  readonly limits?: ConnectorLimits;
  /** Undefined: one of its own. */
  readonly line?: ConnectLine;
  readonly clock?: Clock;
  /** Numbers of a device node; only for tests, which cannot make any. */
  readonly nodeNumbersOf?: DeviceTree['nodeNumbersOf'];
}

/** Connects over NVMe/TCP with nvme-cli. Acts on the NQN that it is asked for, and lists nothing to clean it up. */
export function createNvmeConnector(options: NvmeConnectorOptions): ConnectorPort {
  return inTurn(new NvmeConnector(options));
}

class NvmeConnector implements ConnectorPort {
  private readonly tree: DeviceTree;
  private readonly limits: ConnectorLimits;
  private readonly clock: Clock;
  private readonly line: ConnectLine;

  constructor(private readonly options: NvmeConnectorOptions) {
    const { sysRoot = '/sys', devRoot = '/dev' } = options;
    this.tree = { sysRoot, devRoot, nodeNumbersOf: options.nodeNumbersOf ?? nodeNumbersOf };
    this.limits = options.limits ?? CONNECTOR_LIMITS;
    this.clock = options.clock ?? systemClock;
    this.line = options.line ?? createConnectLine();
  }

  async connect(target: ConnectTarget): Promise<{ readonly device: Device; readonly connectedNow: boolean }> {
    const { nqn } = target;
    const before = await this.look(nqn, { limitMs: this.limits.goneMs, enough: (seen) => !isLeaving(seen) });
    if (isLeaving(before)) throw this.timeout(nqn, 'the connection before is not gone', this.limits.goneMs, before);
    // A session that is being made anew is the kernel's work: it takes nobody's place.
    if (isConnected(before)) return { device: await this.waitForDevice(nqn), connectedNow: false };
    const made: { connectedNow?: boolean } = {};
    try {
      return await this.line.run(target, async (command) => {
        const options = { ...this.options, tree: this.tree, ...this.terms(nqn) };
        const connectedNow = await command(() => runNvmeConnect(options, target));
        made.connectedNow = connectedNow;
        return { device: await this.waitForDevice(nqn), connectedNow };
      });
    } catch (error) {
      throw made.connectedNow ? await undoAfter(error, () => this.disconnect(nqn)) : error;
    }
  }

  async find(nqn: SubsystemNqn): Promise<Device | undefined> {
    const connection = await findConnection(this.tree, nqn);
    return connection && this.deviceOf(nqn, connection);
  }

  async findNqnOf(volumeId: VolumeId): Promise<SubsystemNqn | undefined> {
    return findNqnOf(await listNqns(this.tree), volumeId);
  }

  sessions(): Promise<ReadonlyMap<string, Session>> {
    return sessionsOf(this.tree, this.options.host.hostNqn);
  }

  async rescan(nqn: SubsystemNqn, atLeastBytes?: Bytes): Promise<Device | undefined> {
    const connection = await findConnection(this.tree, nqn);
    if (!connection) return undefined;
    const live = liveControllers(connection);
    // A session that is being made anew answers no scan; the kernel makes one by itself when it is live again.
    if (live.length === 0) throw new Fault('ConnectFailed', `${nqn}: not live: ${formatConnection(connection)}`);
    for (const { name } of live) await this.run(nqn, ['ns-rescan', `${this.tree.devRoot}/${name}`]);
    // The order to scan returns before the scan has been made.
    const enough = (device: Device | undefined) => (device?.sizeBytes ?? 0n) >= (atLeastBytes ?? 0n);
    return this.poll({ limitMs: this.limits.growMs, look: () => this.find(nqn), enough });
  }

  async disconnect(nqn: SubsystemNqn): Promise<void> {
    const before = await findConnection(this.tree, nqn);
    if (!before) return;
    const sources = { tree: this.tree, mounts: this.options.mounts };
    await requireUnheld(sources, nqn, [...before.namespaces, ...(await findStaleDevices(this.tree, before))]);
    await this.run(nqn, ['disconnect', '-n', nqn]);
    const after = await this.look(nqn, { limitMs: this.limits.goneMs, enough: (seen) => seen === undefined });
    if (after) throw this.timeout(nqn, 'disconnected, and not gone', this.limits.goneMs, after);
  }

  /** Live, with a size: what reads a device of a session that is not live waits with it. */
  private async waitForDevice(nqn: SubsystemNqn): Promise<Device> {
    const limitMs = this.limits.deviceMs;
    const isReady = (seen: NvmeConnection | undefined) =>
      seen !== undefined && stateOf(seen) === 'live' && seen.seen.kind === 'usable';
    const connection = await this.look(nqn, { limitMs, enough: isReady });
    if (!isConnected(connection)) {
      throw new Fault('ConnectFailed', `${nqn}: connected, and gone again: the kernel has no controller of it`);
    }
    if (!isReady(connection)) throw this.timeout(nqn, 'no device that can be used', limitMs, connection);
    return this.deviceOf(nqn, connection);
  }

  private deviceOf(nqn: SubsystemNqn, connection: NvmeConnection): Device {
    if (connection.seen.kind === 'unusable') {
      const found = formatConnection(connection);
      throw new Fault('DeviceMismatch', `${nqn}: connected, without a device that can be used: ${found}`);
    }
    const { path, major, minor, sizeBytes } = connection.seen.device;
    return { nqn, path, major, minor, sizeBytes, state: stateOf(connection) };
  }

  private async run(nqn: SubsystemNqn, args: readonly string[]): Promise<void> {
    const result = await this.options.processes.run({ file: 'nvme', args, ...this.terms(nqn) });
    if (result.exitCode === 0) return;
    // What went by itself meanwhile is what was asked for; the look that follows tells.
    if ((await findConnection(this.tree, nqn)) === undefined) return;
    throw new Fault('NodeToolFailed', `${nqn}: nvme ${args.join(' ')}: ${wordsOf(result)}`);
  }

  /** While a command of an NQN hangs in the kernel, what it may still do is not known: no other is begun. */
  private terms(nqn: SubsystemNqn): { readonly limitMs: number; readonly lane: string } {
    return { limitMs: this.limits.commandMs, lane: `nvme ${nqn}` };
  }

  private look(
    nqn: SubsystemNqn,
    wait: { readonly limitMs: number; readonly enough: (seen: NvmeConnection | undefined) => boolean },
  ): Promise<NvmeConnection | undefined> {
    return this.poll({ ...wait, look: () => findConnection(this.tree, nqn) });
  }

  private poll<T>(wait: { limitMs: number; look: () => Promise<T>; enough: (seen: T) => boolean }): Promise<T> {
    return pollUntil({ clock: this.clock, everyMs: this.limits.pollMs, ...wait });
  }

  private timeout(nqn: SubsystemNqn, what: string, limitMs: number, seen: NvmeConnection | undefined): Fault {
    const found = seen ? formatConnection(seen) : 'nothing';
    return new Fault('NodeTimeout', `${nqn}: ${what} after ${limitMs / 1_000} s: ${found}`);
  }
}
