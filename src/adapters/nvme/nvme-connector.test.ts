import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseNodeId, parseSubsystemNqn, type SubsystemNqn } from '../../domain/nqn';
import { findDeviceNumbers } from '../../domain/nvme-sysfs';
import { MIB, parseBytes } from '../../domain/size';
import { parseVolumeId } from '../../domain/volume-id';
import type { Mount } from '../mount/port';
import type { Command, CommandResult, ProcessPort } from '../process/port';
import { hostIdentityOf } from './host-identity';
import { createNvmeConnector } from './nvme-connector';
import type { Clock } from './poll';
import type { ConnectorPort, ConnectTarget } from './port';

const nqn = parseSubsystemNqn('nqn.2000-02.com.mikrotik:pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301', 'nqn');
const otherNqn = parseSubsystemNqn('nqn.2000-02.com.mikrotik:pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3302', 'nqn');
const host = hostIdentityOf(parseNodeId('node-1', 'node_id'));
const target: ConnectTarget = {
  nqn,
  address: '10.0.0.1',
  port: 4420,
  filePath: '/storage-pool/metal-csi/pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301.img',
  ctrlLossTmo: -1,
  reconnectDelay: 5,
  keepAliveTmo: undefined,
};
const limits = { commandMs: 20_000, deviceMs: 30_000, goneMs: 20_000, growMs: 10_000, pollMs: 500 };

/** Time that passes only when somebody waits, and what happens then. */
class FakeClock implements Clock {
  private time = 0;
  private events: { atMs: number; act: () => void }[] = [];

  nowMs(): number {
    return this.time;
  }

  async pause(milliseconds: number): Promise<void> {
    this.time += milliseconds;
    const due = this.events.filter(({ atMs }) => atMs <= this.time);
    this.events = this.events.filter(({ atMs }) => atMs > this.time);
    for (const { act } of due) act();
  }

  after(milliseconds: number, act: () => void): void {
    this.events.push({ atMs: this.time + milliseconds, act });
  }
}

/** The kernel's tables of a machine with native multipath, in a folder. */
class FakeKernel {
  readonly root = mkdtempSync(path.join(tmpdir(), 'nvme-'));
  readonly sysRoot = path.join(this.root, 'sys');
  readonly devRoot = path.join(this.root, 'dev');

  constructor() {
    this.write('sys/module/nvme_tcp/refcnt', '1');
    mkdirSync(this.devRoot, { recursive: true });
  }

  write(file: string, text: string): void {
    const whole = path.join(this.root, file);
    mkdirSync(path.dirname(whole), { recursive: true });
    writeFileSync(whole, text === '' ? '' : `${text}\n`);
  }

  remove(file: string): void {
    rmSync(path.join(this.root, file), { recursive: true, force: true });
  }

  addSubsystem(index: number, nqn: string): void {
    this.write(`sys/devices/virtual/nvme-subsystem/nvme-subsys${index}/subsysnqn`, nqn);
    this.write(`sys/devices/virtual/nvme-subsystem/nvme-subsys${index}/model`, 'Linux');
    mkdirSync(path.join(this.sysRoot, 'class/nvme-subsystem'), { recursive: true });
    const link = path.join(this.sysRoot, `class/nvme-subsystem/nvme-subsys${index}`);
    symlinkSync(`../../devices/virtual/nvme-subsystem/nvme-subsys${index}`, link);
  }

  addController(subsystem: number, index: number, state: string): void {
    this.setState(index, state);
    const folder = path.join(this.sysRoot, `devices/virtual/nvme-subsystem/nvme-subsys${subsystem}`);
    symlinkSync(`../../../virtual/nvme-fabrics/ctl/nvme${index}`, path.join(folder, `nvme${index}`));
  }

  setState(controller: number, state: string): void {
    this.write(`sys/devices/virtual/nvme-fabrics/ctl/nvme${controller}/state`, state);
  }

  setHostNqn(controller: number, hostNqn: string): void {
    this.write(`sys/devices/virtual/nvme-fabrics/ctl/nvme${controller}/hostnqn`, hostNqn);
  }

  /** A namespace's device, its node, and the hidden path that leads to it. */
  addNamespace(subsystem: number, name: string, disk: { numbers: string; sizeBytes: bigint }): void {
    const below = `sys/devices/virtual/nvme-subsystem/nvme-subsys${subsystem}`;
    mkdirSync(path.join(this.root, below, name), { recursive: true });
    mkdirSync(path.join(this.root, below, name.replace('nvme', 'ng')), { recursive: true });
    this.addBlock(name, disk);
    const hidden = name.replace(/n([0-9]+)$/, 'c0n$1');
    this.addBlock(hidden, { numbers: '259:99', sizeBytes: disk.sizeBytes });
    this.write(`sys/block/${hidden}/hidden`, '1');
  }

  addBlock(name: string, { numbers, sizeBytes }: { numbers: string; sizeBytes: bigint }): void {
    for (const folder of ['sys/block', 'sys/class/block']) {
      this.write(`${folder}/${name}/dev`, numbers);
      this.write(`${folder}/${name}/size`, `${sizeBytes / 512n}`);
      this.write(`${folder}/${name}/hidden`, '0');
      mkdirSync(path.join(this.root, folder, name, 'holders'), { recursive: true });
    }
    this.write(`dev/${name}`, numbers);
  }

  removeNamespace(subsystem: number, name: string): void {
    this.remove(`sys/devices/virtual/nvme-subsystem/nvme-subsys${subsystem}/${name}`);
    this.removeBlock(name);
  }

  removeBlock(name: string): void {
    for (const file of [`sys/block/${name}`, `sys/class/block/${name}`, `dev/${name}`]) this.remove(file);
  }

  /** A volume as it is when all is well. */
  addVolume(index: number, nqn: string, disk = { numbers: `259:${index}`, sizeBytes: 64n * MIB }): void {
    this.addSubsystem(index, nqn);
    this.addController(index, index, 'live');
    this.addNamespace(index, `nvme${index}n1`, disk);
  }

  removeVolume(index: number): void {
    this.remove(`sys/class/nvme-subsystem/nvme-subsys${index}`);
    this.remove(`sys/devices/virtual/nvme-subsystem/nvme-subsys${index}`);
    this.remove(`sys/devices/virtual/nvme-fabrics/ctl/nvme${index}`);
    this.removeBlock(`nvme${index}n1`);
  }

  /** Device nodes are files with their numbers as text: only root could make real ones. */
  readonly nodeNumbersOf = async (node: string) => {
    try {
      return findDeviceNumbers(readFileSync(node, 'utf8').trim());
    } catch {
      return undefined;
    }
  };
}

/** nvme-cli: what each of its commands does to the tables. */
class FakeProcesses implements ProcessPort {
  readonly commands: Command[] = [];
  readonly on: Record<string, (args: readonly string[]) => Partial<CommandResult> | void> = {};

  async run(command: Command): Promise<CommandResult> {
    this.commands.push(command);
    const result = this.on[command.args[0] ?? '']?.(command.args) ?? {};
    return { exitCode: 0, stdout: '', stderr: '', ...result };
  }

  get verbs(): readonly string[] {
    return this.commands.map(({ args }) => args[0] ?? '');
  }
}

let kernel: FakeKernel;
let processes: FakeProcesses;
let clock: FakeClock;
let mounts: Mount[];
let connector: ConnectorPort;

const newConnector = (): ConnectorPort =>
  createNvmeConnector({
    processes,
    host,
    clock,
    limits,
    mounts: { list: async () => mounts },
    sysRoot: kernel.sysRoot,
    devRoot: kernel.devRoot,
    nodeNumbersOf: kernel.nodeNumbersOf,
  });

beforeEach(() => {
  kernel = new FakeKernel();
  processes = new FakeProcesses();
  clock = new FakeClock();
  mounts = [];
  connector = newConnector();
  processes.on['connect'] = () => kernel.addVolume(0, nqn);
  processes.on['disconnect'] = () => kernel.removeVolume(0);
});

afterEach(() => rmSync(kernel.root, { recursive: true, force: true }));

const fault = async (act: Promise<unknown>): Promise<Fault> => {
  const error = await act.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Fault)) throw new Error(`no Fault: ${String(error)}`);
  return error;
};

const mountOf = (numbers: string, mountPoint: string): Mount => {
  const { major, minor } = findDeviceNumbers(numbers) ?? { major: 0, minor: 0 };
  return {
    id: 1,
    parentId: 0,
    mountPoint,
    root: '/',
    major,
    minor,
    fileSystemType: 'ext4',
    source: '/dev/any',
    options: [],
    superOptions: [],
  };
};

const deviceOf = (nqn: SubsystemNqn, index: number, minor = index) => ({
  nqn,
  path: `${kernel.devRoot}/nvme${index}n1`,
  major: 259,
  minor,
  sizeBytes: 64n * MIB,
  state: 'live',
});

describe('connect', () => {
  it('connects by nvme-cli, each value an argument, and returns the device of the subsystem', async () => {
    expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 0), connectedNow: true });
    expect(processes.commands).toMatchObject([
      {
        file: 'nvme',
        args: ['connect', '-t', 'tcp', '-a', '10.0.0.1', '-s', '4420', '-n', nqn].concat(
          ['--hostnqn', host.hostNqn, '--hostid', host.hostId],
          ['--ctrl-loss-tmo=-1', '--reconnect-delay=5'],
        ),
        limitMs: 20_000,
        lane: [`nvme ${nqn}`, 'connecting to 10.0.0.1:4420'],
      },
    ]);
  });

  it('runs nvme connect for few volumes of an address at a time, and beside them for those of another', async () => {
    const under: string[] = [];
    const seen: string[][] = [];
    const run = processes.run.bind(processes);
    const full = Promise.withResolvers<void>();
    processes.run = async (command) => {
      const [address = '', name = ''] = [command.args[4], command.args[8]];
      under.push(address);
      seen.push([...under]);
      if (under.length === 6) full.resolve();
      await full.promise;
      // Whoever else is let in, comes meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 5));
      under.splice(under.indexOf(address), 1);
      if (name.endsWith('5')) return { exitCode: 1, stdout: '', stderr: 'Connection refused' };
      kernel.addVolume(Number(name.slice(-2)), name);
      return await run(command);
    };
    processes.on['connect'] = () => undefined;
    const connected = Array.from({ length: 20 }, (_, index) => {
      const name = parseSubsystemNqn(`${nqn.slice(0, -2)}${index + 10}`, 'nqn');
      return connector.connect({ ...target, nqn: name, address: index < 18 ? '10.0.0.1' : '10.0.0.2' });
    });
    const results = await Promise.allSettled(connected);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2);
    const peakOf = (address: string) => Math.max(...seen.map((each) => each.filter((one) => one === address).length));
    expect([peakOf('10.0.0.1'), peakOf('10.0.0.2')]).toEqual([4, 2]);
    expect(Math.max(...seen.map((each) => each.length))).toBe(6);
  });

  it('passes the keep-alive time on if there is one', async () => {
    await connector.connect({ ...target, keepAliveTmo: 7 });
    expect(processes.commands[0]?.args.at(-1)).toBe('--keep-alive-tmo=7');
  });

  it('resolves a host name, which nvme-cli may be built without, and tries its addresses in turn', async () => {
    const stdout = [
      'fd00::1         STREAM rds.example.org',
      'fd00::1         DGRAM  ',
      '10.0.0.9        STREAM ',
      '10.0.0.9        DGRAM  ',
      '',
    ].join('\n');
    processes.on['ahosts'] = () => ({ stdout });
    processes.on['connect'] = (args) => {
      if (args.includes('fd00::1')) return { exitCode: 1, stderr: 'Connection refused' };
      kernel.addVolume(0, nqn);
      return {};
    };
    expect((await connector.connect({ ...target, address: 'rds.example.org' })).connectedNow).toBe(true);
    const tried = processes.commands.map(({ file, args }) => [file, args[0], args[4]]);
    expect(tried).toEqual([
      ['getent', 'ahosts', undefined],
      ['nvme', 'connect', 'fd00::1'],
      ['nvme', 'connect', '10.0.0.9'],
    ]);
    await connector.disconnect(nqn);
    processes.on['connect'] = () => ({ exitCode: 1, stderr: 'Connection refused' });
    const refused = 'nothing listens there (nvme connect: Connection refused)';
    expect((await fault(connector.connect({ ...target, address: 'rds.example.org' }))).message).toBe(
      `${nqn}: not connected: rds.example.org, [fd00::1]:4420: ${refused}; 10.0.0.9:4420: ${refused}`,
    );
  });

  it.each([
    ['knows no such name', { exitCode: 2 }],
    ['answers with nothing', {}],
    ['answers with nonsense', { stdout: 'ahosts\n' }],
  ])('says so when the resolver %s', async (_what, result) => {
    processes.on['ahosts'] = () => result;
    const { kind, message } = await fault(connector.connect({ ...target, address: 'rds.example.org' }));
    expect([kind, message]).toEqual(['ConnectFailed', expect.stringContaining('rds.example.org has no IP address')]);
    expect(processes.verbs).toEqual(['ahosts']);
  });

  it('leaves what is connected as it is, and picks it out of several', async () => {
    kernel.addVolume(0, otherNqn);
    kernel.addVolume(1, nqn);
    expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 1), connectedNow: false });
    expect(processes.commands).toEqual([]);
  });

  it('goes by the subsystem, not by the number of its controller', async () => {
    kernel.addSubsystem(3, nqn);
    kernel.addController(3, 7, 'live');
    kernel.addNamespace(3, 'nvme3n1', { numbers: '259:12', sizeBytes: 64n * MIB });
    expect((await connector.connect(target)).device).toEqual(deviceOf(nqn, 3, 12));
  });

  it('finds the namespace below its controller where there is no native multipath', async () => {
    kernel.addSubsystem(0, nqn);
    kernel.addController(0, 2, 'live');
    mkdirSync(path.join(kernel.sysRoot, 'devices/virtual/nvme-fabrics/ctl/nvme2/nvme2n1'), { recursive: true });
    kernel.addBlock('nvme2n1', { numbers: '259:2', sizeBytes: 64n * MIB });
    expect((await connector.connect(target)).device).toEqual(deviceOf(nqn, 2));
  });

  it('waits for a device that comes late, then has its size, then its node', async () => {
    processes.on['connect'] = () => {
      kernel.addSubsystem(0, nqn);
      kernel.addController(0, 0, 'new');
      clock.after(1_000, () => kernel.setState(0, 'live'));
      clock.after(5_000, () => kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: 0n }));
      clock.after(5_000, () => kernel.remove('dev/nvme0n1'));
      clock.after(9_000, () => kernel.write('sys/block/nvme0n1/size', '131072'));
      clock.after(12_000, () => kernel.write('dev/nvme0n1', '259:0'));
    };
    expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 0), connectedNow: true });
    expect(clock.nowMs()).toBe(12_000);
  });

  it.each([
    ['no namespace', () => undefined, 'no namespace'],
    [
      'a size of 0',
      () => kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: 0n }),
      'nvme0n1 has a size of 0',
    ],
    [
      'a truncated size',
      () => {
        kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: MIB });
        kernel.write('sys/block/nvme0n1/size', '');
      },
      'nvme0n1 has no readable numbers or size',
    ],
    [
      'no node',
      () => {
        kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: MIB });
        kernel.remove('dev/nvme0n1');
      },
      'there is no block device node',
    ],
    [
      'the node of another device',
      () => {
        kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: MIB });
        kernel.write('dev/nvme0n1', '259:8');
      },
      'is 259:8, and nvme0n1 is 259:0',
    ],
    [
      'two namespaces',
      () => {
        kernel.addNamespace(0, 'nvme0n1', { numbers: '259:0', sizeBytes: MIB });
        kernel.addNamespace(0, 'nvme0n2', { numbers: '259:1', sizeBytes: MIB });
      },
      '2 namespaces (nvme0n1, nvme0n2), not one',
    ],
  ])('gives up on %s after the limit, says so, and takes its connection away again', async (_what, lack, words) => {
    processes.on['connect'] = () => {
      kernel.addSubsystem(0, nqn);
      kernel.addController(0, 0, 'live');
      lack();
    };
    const { kind, message } = await fault(connector.connect(target));
    expect(kind).toBe('NodeTimeout');
    expect(message).toContain(`${nqn}: no device that can be used after 30 s: nvme-subsys0, controller nvme0 live, `);
    expect(message).toContain(words);
    expect(processes.verbs).toEqual(['connect', 'disconnect']);
    expect(await connector.find(nqn)).toBeUndefined();
  });

  it('leaves a connection that it did not make as it is when it fails', async () => {
    kernel.addSubsystem(0, nqn);
    kernel.addController(0, 0, 'live');
    expect((await fault(connector.connect(target))).kind).toBe('NodeTimeout');
    expect(processes.commands).toEqual([]);
  });

  it('says both when its own connection does not go away again', async () => {
    processes.on['connect'] = () => {
      kernel.addSubsystem(0, nqn);
      kernel.addController(0, 0, 'live');
    };
    processes.on['disconnect'] = () => ({ exitCode: 1, stderr: 'Failed to open nvme0: Permission denied' });
    const { kind, message } = await fault(connector.connect(target));
    expect(kind).toBe('NodeTimeout');
    expect(message).toContain('no namespace; and it could not be disconnected again: ');
    expect(message).toContain('Permission denied');
  });

  it('waits for a session that is made anew, and does not connect beside it', async () => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, 'connecting');
    clock.after(7_000, () => kernel.setState(0, 'live'));
    expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 0), connectedNow: false });
    expect(processes.commands).toEqual([]);
  });

  it('says that a session is still being made anew', async () => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, 'connecting');
    const { kind, message } = await fault(connector.connect(target));
    expect([kind, message]).toEqual(['NodeTimeout', expect.stringContaining('controller nvme0 connecting')]);
    expect(processes.commands).toEqual([]);
  });

  it('takes one live session of several for enough', async () => {
    kernel.addVolume(0, nqn);
    kernel.addController(0, 5, 'connecting');
    expect((await connector.connect(target)).device.state).toBe('live');
  });

  it.each(['deleting', 'deleting (no IO)', 'dead'])(
    'waits until one that is %s is gone, then connects',
    async (state) => {
      kernel.addVolume(4, nqn);
      kernel.setState(4, state);
      clock.after(3_000, () => kernel.removeVolume(4));
      expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 0), connectedNow: true });
    },
  );

  it('does not connect beside one that never goes', async () => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, 'deleting');
    const { kind, message } = await fault(connector.connect(target));
    expect(kind).toBe('NodeTimeout');
    expect(message).toContain('the connection before is not gone after 20 s: nvme-subsys0, controller nvme0 deleting');
    expect(processes.commands).toEqual([]);
  });

  it('connects a subsystem that is left without a controller', async () => {
    kernel.addSubsystem(0, nqn);
    processes.on['connect'] = () => {
      kernel.addController(0, 0, 'live');
      kernel.addNamespace(0, 'nvme0n2', { numbers: '259:5', sizeBytes: MIB });
    };
    const { device, connectedNow } = await connector.connect(target);
    expect([device.path, device.minor, connectedNow]).toEqual([`${kernel.devRoot}/nvme0n2`, 5, true]);
  });

  it.each(['Failed to write to /dev/nvme-fabrics: Operation already in progress', 'already connected\n'])(
    'looks again when nvme-cli says: %s',
    async (stderr) => {
      processes.on['connect'] = () => {
        clock.after(500, () => kernel.addVolume(0, nqn));
        return { exitCode: 1, stderr };
      };
      expect(await connector.connect(target)).toEqual({ device: deviceOf(nqn, 0), connectedNow: false });
    },
  );

  it('does not believe "already connected" when the kernel shows nothing', async () => {
    processes.on['connect'] = () => ({ exitCode: 1, stderr: 'already connected' });
    const { kind, message } = await fault(connector.connect(target));
    expect([kind, message]).toEqual(['ConnectFailed', expect.stringContaining('the kernel has no controller of it')]);
    expect(processes.verbs).toEqual(['connect']);
  });

  it.each([
    ['Failed to write to /dev/nvme-fabrics: Connection refused', 'nothing listens there (nvme'],
    ['Failed to write to /dev/nvme-fabrics: Connection timed out', 'no answer (nvme'],
    ['Failed to write to /dev/nvme-fabrics: No route to host', 'there is no way there (nvme'],
    [
      'Failed to write to /dev/nvme-fabrics: Input/output error\ncould not add new controller: failed to write',
      `either the host ${host.hostNqn} is not allowed, or no such NQN is exported`,
    ],
    ['something new', ': nvme connect: something new'],
    ['', ': nvme connect: exit 1 without a word'],
  ])('explains %j', async (stderr, meaning) => {
    processes.on['connect'] = () => ({ exitCode: 1, stderr });
    const { kind, message } = await fault(connector.connect(target));
    expect(kind).toBe('ConnectFailed');
    expect(message).toContain(`${nqn}: not connected: 10.0.0.1:4420: `);
    expect(message).toContain(meaning);
    expect(message).not.toMatch(/\n/);
    expect(processes.verbs).toEqual(['connect']);
  });

  it('says which module is missing', async () => {
    kernel.remove('sys/module/nvme_tcp');
    const { kind, message } = await fault(connector.connect(target));
    expect([kind, message]).toEqual(['NodeToolMissing', expect.stringContaining('modprobe nvme-tcp')]);
    expect(processes.commands).toEqual([]);
  });

  it('takes a built-in module for one', async () => {
    kernel.remove('sys/module/nvme_tcp');
    kernel.write('dev/nvme-fabrics', '');
    expect((await connector.connect(target)).connectedNow).toBe(true);
  });

  it('never takes a table that cannot be read for an empty one', async () => {
    kernel.addSubsystem(0, '');
    for (const act of [() => connector.connect(target), () => connector.find(nqn), () => connector.disconnect(nqn)]) {
      expect((await fault(act())).kind).toBe('NodeToolFailed');
    }
    expect(processes.commands).toEqual([]);
  });
});

describe('find', () => {
  it('finds nothing where there is no NVMe at all', async () => {
    expect(await connector.find(nqn)).toBeUndefined();
  });

  it('does not take an NQN for a longer one that begins with it', async () => {
    kernel.addVolume(0, `${nqn}x`);
    expect(await connector.find(nqn)).toBeUndefined();
  });

  it('tells numbers that have changed', async () => {
    kernel.addVolume(0, nqn);
    expect(await connector.find(nqn)).toEqual(deviceOf(nqn, 0));
    kernel.removeVolume(0);
    kernel.addVolume(0, otherNqn);
    kernel.addVolume(2, nqn, { numbers: '259:7', sizeBytes: 64n * MIB });
    expect(await connector.find(nqn)).toEqual(deviceOf(nqn, 2, 7));
  });

  it('answers in the words of the kernel while the session is made anew', async () => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, 'connecting');
    expect(await connector.find(nqn)).toEqual({ ...deviceOf(nqn, 0), state: 'connecting' });
  });

  it('says that a device is gone from a session that is live again', async () => {
    kernel.addVolume(0, nqn);
    kernel.removeNamespace(0, 'nvme0n1');
    const { kind, message } = await fault(connector.find(nqn));
    expect([kind, message]).toEqual(['DeviceMismatch', expect.stringContaining('no namespace')]);
  });
});

describe('findNqnOf', () => {
  const volumeId = parseVolumeId('pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301');

  it('finds the NQN of a volume by the ID at its end', async () => {
    kernel.addVolume(0, otherNqn);
    kernel.addVolume(1, `nqn.2001-03.com.example:lab:${volumeId}`);
    kernel.addVolume(2, `nqn.2001-03.com.example:${volumeId}:snapshot`);
    expect(await connector.findNqnOf(volumeId)).toBe(`nqn.2001-03.com.example:lab:${volumeId}`);
  });

  it('finds none where there is none', async () => {
    kernel.addVolume(0, otherNqn);
    expect(await connector.findNqnOf(volumeId)).toBeUndefined();
  });
});

describe('sessions', () => {
  it('has every connection, whosever, in the words of the kernel', async () => {
    expect(await connector.sessions()).toEqual(new Map());
    kernel.addVolume(0, nqn);
    kernel.setHostNqn(0, host.hostNqn);
    kernel.addVolume(1, otherNqn);
    kernel.setState(1, 'connecting');
    kernel.setHostNqn(1, 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000b');
    expect(await connector.sessions()).toEqual(
      new Map([
        [nqn, { state: 'live', isOurs: true }],
        [otherNqn, { state: 'connecting', isOurs: false }],
      ]),
    );
  });

  it.each([
    ['live', 'connecting'],
    ['connecting', 'live'],
  ])('of two, %s and %s, the live one counts, and both must be ours', async (first, second) => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, first);
    kernel.addController(0, 5, second);
    kernel.setHostNqn(0, host.hostNqn);
    expect(await connector.sessions()).toEqual(new Map([[nqn, { state: 'live', isOurs: false }]]));
    kernel.setHostNqn(5, host.hostNqn);
    expect(await connector.sessions()).toEqual(new Map([[nqn, { state: 'live', isOurs: true }]]));
  });
});

describe('rescan', () => {
  it('scans the live session and waits for the size', async () => {
    kernel.addVolume(0, nqn);
    kernel.addController(0, 5, 'connecting');
    processes.on['ns-rescan'] = () => clock.after(500, () => kernel.write('sys/block/nvme0n1/size', '262144'));
    const device = await connector.rescan(nqn, parseBytes(128n * MIB, 'size'));
    expect(device?.sizeBytes).toBe(128n * MIB);
    expect(processes.commands.map(({ args }) => args)).toEqual([['ns-rescan', `${kernel.devRoot}/nvme0`]]);
  });

  it('returns the device as it is when it does not grow', async () => {
    kernel.addVolume(0, nqn);
    expect((await connector.rescan(nqn, parseBytes(128n * MIB, 'size')))?.sizeBytes).toBe(64n * MIB);
    expect(clock.nowMs()).toBe(limits.growMs);
  });

  it('is undefined for what is not connected', async () => {
    expect(await connector.rescan(nqn)).toBeUndefined();
    expect(processes.commands).toEqual([]);
  });

  it('scans nothing that would not answer', async () => {
    kernel.addVolume(0, nqn);
    kernel.setState(0, 'connecting');
    const { kind, message } = await fault(connector.rescan(nqn));
    expect([kind, message]).toEqual(['ConnectFailed', expect.stringContaining('not live: nvme-subsys0')]);
    expect(processes.commands).toEqual([]);
  });
});

describe('disconnect', () => {
  it('is done when the kernel has nothing left, and touches nothing else', async () => {
    kernel.addVolume(0, nqn);
    kernel.addVolume(1, otherNqn);
    processes.on['disconnect'] = () => {
      kernel.setState(0, 'deleting');
      clock.after(2_500, () => kernel.removeVolume(0));
    };
    await connector.disconnect(nqn);
    expect(clock.nowMs()).toBe(2_500);
    expect(processes.commands.map(({ args }) => args)).toEqual([['disconnect', '-n', nqn]]);
    expect(await connector.find(nqn)).toBeUndefined();
    expect(await connector.find(otherNqn)).toEqual(deviceOf(otherNqn, 1));
  });

  it('is done at once for what is not connected', async () => {
    kernel.addVolume(1, otherNqn);
    await connector.disconnect(nqn);
    expect(processes.commands).toEqual([]);
  });

  it('says what stays', async () => {
    kernel.addVolume(0, nqn);
    processes.on['disconnect'] = () => {
      kernel.remove('sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0');
      kernel.removeNamespace(0, 'nvme0n1');
    };
    const { kind, message } = await fault(connector.disconnect(nqn));
    expect(kind).toBe('NodeTimeout');
    expect(message).toBe(`${nqn}: disconnected, and not gone after 20 s: nvme-subsys0, no controller, no namespace`);
  });

  it('believes the kernel when nvme-cli fails and all is gone, and nvme-cli when it is not', async () => {
    kernel.addVolume(0, nqn);
    processes.on['disconnect'] = () => ({ exitCode: 1, stderr: 'disconnect failed' });
    const { kind, message } = await fault(connector.disconnect(nqn));
    expect([kind, message]).toEqual(['NodeToolFailed', expect.stringContaining('disconnect failed')]);
    processes.on['disconnect'] = () => {
      kernel.removeVolume(0);
      return { exitCode: 1, stderr: 'disconnect failed' };
    };
    await connector.disconnect(nqn);
  });

  it.each([
    ['it is mounted', () => mounts.push(mountOf('259:0', '/mnt/a')), 'nvme0n1 is mounted at /mnt/a'],
    [
      'a partition of it is mounted',
      () => {
        kernel.addBlock('nvme0n1p1', { numbers: '259:40', sizeBytes: MIB });
        kernel.write('sys/block/nvme0n1/nvme0n1p1/partition', '1');
        mounts.push(mountOf('259:40', '/mnt/b'));
      },
      'nvme0n1p1 is mounted at /mnt/b',
    ],
    ['device mapper is on it', () => kernel.write('sys/class/block/nvme0n1/holders/dm-3', ''), 'dm-3 is on nvme0n1'],
    [
      'it is mounted in another namespace',
      () => kernel.write('sys/fs/xfs/nvme0n1/error/fail_at_unmount', '1'),
      'nvme0n1 is mounted, in another mount namespace or as a device that is gone',
    ],
    [
      'it is mounted as btrfs, which has numbers of its own',
      () => mounts.push({ ...mountOf('0:39', '/mnt/c'), fileSystemType: 'btrfs', source: `${kernel.devRoot}/nvme0n1` }),
      'nvme0n1 is mounted at /mnt/c',
    ],
    [
      'it is part of a btrfs that is mounted under another device’s name',
      () => kernel.write('sys/fs/btrfs/3f2504e0-4f89-11d3-9a0c-0305e82c3301/devices/nvme0n1', ''),
      'nvme0n1 is mounted, in another mount namespace or as a device that is gone',
    ],
  ])('pulls no disk while %s', async (_what, hold, words) => {
    kernel.addVolume(0, nqn);
    mounts.push(mountOf('8:0', '/'), mountOf('259:1', '/data'));
    hold();
    const { kind, message } = await fault(connector.disconnect(nqn));
    expect([kind, message]).toEqual(['MountBusy', `${nqn}: still in use: ${words}`]);
    expect(processes.commands).toEqual([]);
  });

  it('says at once that a mount holds a device that the kernel has given up', async () => {
    kernel.addSubsystem(3, nqn);
    kernel.write('sys/fs/ext4/nvme3n1/errors_count', '1');
    kernel.write('sys/fs/ext4/nvme30n1/errors_count', '0');
    const words = 'nvme3n1 is mounted, in another mount namespace or as a device that is gone';
    const { kind, message } = await fault(connector.disconnect(nqn));
    expect([kind, message]).toEqual(['MountBusy', `${nqn}: still in use: ${words}`]);
    expect(processes.commands).toEqual([]);
    kernel.remove('sys/fs/ext4/nvme3n1');
    processes.on['disconnect'] = () => kernel.removeVolume(3);
    await connector.disconnect(nqn);
  });

  it('works after a restart, by the NQN alone', async () => {
    await connector.connect(target);
    await newConnector().disconnect(nqn);
    expect(await connector.find(nqn)).toBeUndefined();
  });
});
