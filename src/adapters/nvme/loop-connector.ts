import { basename } from 'node:path';
import { Fault } from '../../domain/fault';
import { findNqnOf, type NodeId, type SubsystemNqn } from '../../domain/nqn';
import type { VolumeId } from '../../domain/volume-id';
import type { MountPort } from '../mount/port';
import type { CommandResult, ProcessPort } from '../process/port';
import { type BackingLinks, createBackingLinks, findFile } from './backing-link';
import { type DeviceTree, lookAtDevice } from './block-device';
import { requireUnheld } from './device-holders';
import { inTurn } from './in-turn';
import { CONNECTOR_LIMITS, type ConnectorLimits } from './limits';
import { findLoops, isLoopName, type LoopDevice } from './loop-devices';
import { type Clock, pollUntil, systemClock } from './poll';
import type { ConnectorPort, ConnectTarget, Device, Session } from './port';
import { exists, findAttribute, nodeNumbersOf } from './sysfs';
import { undoAfter } from './undo';
import { wordsOf } from './words';

export interface LoopConnectorOptions {
  readonly processes: ProcessPort;
  readonly mounts: Pick<MountPort, 'list'>;
  readonly nodeId: NodeId;
  /** Where on this machine a backing file of the (simulated) RDS is, by its path there. */
  readonly pathOf: (filePath: string) => string;
  /** A folder for hard links to backing files: on their file system, outside of what the RDS lists. */
  readonly linkRoot: string;
  readonly sysRoot?: string;
  readonly devRoot?: string;
  readonly limits?: ConnectorLimits;
  readonly clock?: Clock;
  /** Numbers of a device node; only for tests, which cannot make any. */
  readonly nodeNumbersOf?: DeviceTree['nodeNumbersOf'];
}

/**
 * Puts a loop device on the backing file itself, for machines without NVMe and for development: the RDS must be a simulator on
 * this very machine. No network lies between: the device is always `live`, and an export that is off does not stop it.
 */
export function createLoopConnector(options: LoopConnectorOptions): ConnectorPort {
  return inTurn(new LoopConnector(options));
}

class LoopConnector implements ConnectorPort {
  private readonly tree: DeviceTree;
  private readonly limits: ConnectorLimits;
  private readonly clock: Clock;
  private readonly links: BackingLinks;

  constructor(private readonly options: LoopConnectorOptions) {
    const { sysRoot = '/sys', devRoot = '/dev' } = options;
    this.tree = { sysRoot, devRoot, nodeNumbersOf: options.nodeNumbersOf ?? nodeNumbersOf };
    this.limits = options.limits ?? CONNECTOR_LIMITS;
    this.clock = options.clock ?? systemClock;
    this.links = createBackingLinks(options.linkRoot, options.nodeId);
  }

  async connect(target: ConnectTarget): Promise<{ readonly device: Device; readonly connectedNow: boolean }> {
    const { nqn } = target;
    const imagePath = this.options.pathOf(target.filePath);
    const image = await findFile(imagePath);
    if (!image) throw new Fault('ConnectFailed', `${nqn}: there is no backing file ${imagePath}`);
    const path = await this.links.pathOf(nqn);
    const before = await this.waitUntilNoneLeaves(nqn, path);
    if (before.length > 0) {
      const isOfImage = before.every(({ deleted }) => !deleted) && (await this.links.isOf(path, image));
      const device = await this.deviceOf(nqn, before);
      if (!isOfImage) throw new Fault('DeviceMismatch', `${nqn}: ${device.path} is on another file than ${imagePath}`);
      return { device, connectedNow: false };
    }
    await this.links.ensure(path, imagePath, image);
    const name = await this.attach(nqn, path);
    try {
      return { device: await this.waitForDevice(nqn, path), connectedNow: true };
    } catch (error) {
      throw await undoAfter(error, () => this.detach(nqn, path, name));
    }
  }

  async sessions(): Promise<ReadonlyMap<string, Session>> {
    return new Map();
  }

  async find(nqn: SubsystemNqn): Promise<Device | undefined> {
    const loops = await this.loopsOf(await this.links.pathOf(nqn));
    return loops.length === 0 ? undefined : this.deviceOf(nqn, loops);
  }

  async findNqnOf(volumeId: VolumeId): Promise<SubsystemNqn | undefined> {
    // A name stays for as long as there may be a device on it.
    return findNqnOf(await this.links.list(), volumeId);
  }

  async rescan(nqn: SubsystemNqn): Promise<Device | undefined> {
    const device = await this.find(nqn);
    if (!device) return undefined;
    const result = await this.run(nqn, ['--set-capacity', device.path]);
    if (result.exitCode !== 0) {
      throw new Fault('NodeToolFailed', `${nqn}: losetup --set-capacity ${device.path}: ${wordsOf(result)}`);
    }
    return this.find(nqn);
  }

  async disconnect(nqn: SubsystemNqn): Promise<void> {
    const path = await this.links.pathOf(nqn);
    const before = await this.loopsOf(path);
    const sources = { tree: this.tree, mounts: this.options.mounts };
    await requireUnheld(
      sources,
      nqn,
      before.map(({ name }) => name),
    );
    for (const { name } of before) await this.detach(nqn, path, name);
    const limitMs = this.limits.goneMs;
    const after = await this.poll({ limitMs, path, enough: (loops) => loops.length === 0 });
    if (after.length > 0) throw stillThere(nqn, after, limitMs);
    // Last: the name is what a disconnect that was cut off finds the device by.
    await this.links.remove(path);
  }

  /** The name of the loop device that this call put on the file. */
  private async attach(nqn: SubsystemNqn, path: string): Promise<string> {
    if (!(await exists(`${this.tree.devRoot}/loop-control`))) {
      throw new Fault('NodeToolMissing', `${nqn}: the kernel has no loop devices here (modprobe loop)`);
    }
    const result = await this.run(nqn, ['--find', '--show', '--direct-io=off', path]);
    const name = basename(result.stdout.trim());
    if (result.exitCode === 0 && isLoopName(name)) return name;
    throw new Fault('ConnectFailed', `${nqn}: no loop device on ${path}: ${wordsOf(result)}`);
  }

  private async detach(nqn: SubsystemNqn, path: string, name: string): Promise<void> {
    const devicePath = `${this.tree.devRoot}/${name}`;
    // The kernel keeps it for the next file on the device, whosever that is.
    if ((await findAttribute(`${this.tree.sysRoot}/block/${name}/ro`)) === '1') await this.setWritable(nqn, devicePath);
    const result = await this.run(nqn, ['--detach', devicePath]);
    if (result.exitCode === 0) return;
    const isThere = (await this.loopsOf(path)).some((loop) => loop.name === name);
    if (isThere) throw new Fault('NodeToolFailed', `${nqn}: losetup --detach ${devicePath}: ${wordsOf(result)}`);
  }

  private async setWritable(nqn: SubsystemNqn, devicePath: string): Promise<void> {
    const limitMs = this.limits.commandMs;
    const command = { file: 'blockdev', args: ['--setrw', devicePath], limitMs, lane: `loop ${nqn}` };
    const result = await this.options.processes.run(command);
    if (result.exitCode !== 0) throw new Fault('NodeToolFailed', `${nqn}: blockdev --setrw: ${wordsOf(result)}`);
  }

  /** One that was told to go would go from under whoever used it next. */
  private async waitUntilNoneLeaves(nqn: SubsystemNqn, path: string): Promise<readonly LoopDevice[]> {
    const limitMs = this.limits.goneMs;
    const loops = await this.poll({ limitMs, path, enough: (seen) => !seen.some(({ leaving }) => leaving) });
    if (loops.some(({ leaving }) => leaving)) throw stillThere(nqn, loops, limitMs);
    return loops;
  }

  private async waitForDevice(nqn: SubsystemNqn, path: string): Promise<Device> {
    const loops = await this.poll({ limitMs: this.limits.deviceMs, path, enough: (seen) => seen.length > 0 });
    if (loops.length === 0) throw new Fault('ConnectFailed', `${nqn}: no loop device shows ${path} as its file`);
    return this.deviceOf(nqn, loops);
  }

  /** Two devices on one file would each have their own idea of what is in it. */
  private async deviceOf(nqn: SubsystemNqn, [loop, ...others]: readonly LoopDevice[]): Promise<Device> {
    if (!loop || others.length > 0) {
      const names = [loop, ...others].map((each) => each?.name ?? 'none').join(', ');
      throw new Fault('DeviceMismatch', `${nqn}: several loop devices on its file: ${names}`);
    }
    const seen = await lookAtDevice(this.tree, loop.name);
    if (seen.kind === 'unusable') {
      throw new Fault('DeviceMismatch', `${nqn}: connected, without a device that can be used: ${seen.why}`);
    }
    const { path, major, minor, sizeBytes } = seen.device;
    return { nqn, path, major, minor, sizeBytes, state: loop.leaving ? 'deleting' : 'live' };
  }

  private loopsOf(path: string): Promise<readonly LoopDevice[]> {
    return findLoops(this.tree.sysRoot, path);
  }

  private run(nqn: SubsystemNqn, args: readonly string[]): Promise<CommandResult> {
    const limitMs = this.limits.commandMs;
    return this.options.processes.run({ file: 'losetup', args, limitMs, lane: `loop ${nqn}` });
  }

  private poll(wait: {
    readonly limitMs: number;
    readonly path: string;
    readonly enough: (loops: readonly LoopDevice[]) => boolean;
  }): Promise<readonly LoopDevice[]> {
    const { limitMs, path, enough } = wait;
    const { clock } = this;
    return pollUntil({ clock, limitMs, everyMs: this.limits.pollMs, look: () => this.loopsOf(path), enough });
  }
}

function stillThere(nqn: SubsystemNqn, loops: readonly LoopDevice[], limitMs: number): Fault {
  const names = loops.map(({ name }) => name).join(', ');
  return new Fault('NodeTimeout', `${nqn}: ${names} told to go, and still open after ${limitMs / 1_000} s`);
}
