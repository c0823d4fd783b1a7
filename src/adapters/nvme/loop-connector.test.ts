import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseNodeId, parseSubsystemNqn } from '../../domain/nqn';
import { findDeviceNumbers } from '../../domain/nvme-sysfs';
import { MIB } from '../../domain/size';
import type { Command, CommandResult, ProcessPort } from '../process/port';
import { createLoopConnector } from './loop-connector';
import type { Clock } from './poll';
import type { ConnectTarget } from './port';

const nqn = parseSubsystemNqn('nqn.2000-02.com.mikrotik:pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301', 'nqn');
const target: ConnectTarget = {
  nqn,
  address: '10.0.0.1',
  port: 4420,
  filePath: '/pool/volume.img',
  ctrlLossTmo: -1,
  reconnectDelay: 5,
  keepAliveTmo: undefined,
};
const limits = { commandMs: 20_000, deviceMs: 30_000, goneMs: 20_000, growMs: 10_000, pollMs: 500 };

/** Time that passes only when somebody waits, and what happens then. */
class FakeClock implements Clock {
  private time = 0;
  onPause: () => void = () => undefined;

  nowMs(): number {
    return this.time;
  }

  async pause(milliseconds: number): Promise<void> {
    this.time += milliseconds;
    this.onPause();
  }
}

/** losetup over a folder that stands for /sys and /dev; devices are taken in order of their numbers. */
class FakeLoops implements ProcessPort {
  readonly commands: Command[] = [];
  /** What fails: by the first argument. */
  readonly failing = new Map<string, string>();
  /** Names of devices that somebody has open: told to go, they stay. */
  readonly open = new Set<string>();
  /** What happens just before a device is put on a file. */
  beforeAttach: () => void = () => undefined;

  constructor(private readonly root: string) {
    mkdirSync(path.join(root, 'dev'), { recursive: true });
    mkdirSync(path.join(root, 'sys/block'), { recursive: true });
    writeFileSync(path.join(root, 'dev/loop-control'), '');
    for (const name of ['loop0', 'loop1', 'loop2', 'loop10']) {
      mkdirSync(path.join(root, 'sys/block', name));
      writeFileSync(path.join(root, 'dev', name), `7:${name.slice(4)}`);
    }
  }

  async run(command: Command): Promise<CommandResult> {
    this.commands.push(command);
    const [verb = '', ...rest] = command.args;
    const words = this.failing.get(verb);
    if (words !== undefined) return { exitCode: 1, stdout: '', stderr: words };
    const last = rest.at(-1) ?? '';
    if (verb === '--find') return { exitCode: 0, stdout: `${this.attach(realpathSync(last))}\n`, stderr: '' };
    if (verb === '--detach') this.detach(path.basename(last));
    if (verb === '--set-capacity') this.setSize(path.basename(last));
    return { exitCode: 0, stdout: '', stderr: '' };
  }

  attach(file: string): string {
    this.beforeAttach();
    const name = ['loop0', 'loop1', 'loop2', 'loop10'].find((each) => !existsSync(this.of(each, 'loop')));
    if (name === undefined) throw new Error('no loop device left');
    mkdirSync(this.of(name, 'loop'));
    writeFileSync(this.of(name, 'loop/backing_file'), `${file}\n`);
    writeFileSync(this.of(name, 'loop/autoclear'), '0\n');
    writeFileSync(this.of(name, 'dev'), `7:${name.slice(4)}\n`);
    this.setSize(name);
    return path.join(this.root, 'dev', name);
  }

  detach(name: string): void {
    if (this.open.has(name)) writeFileSync(this.of(name, 'loop/autoclear'), '1\n');
    else rmSync(this.of(name, 'loop'), { recursive: true });
  }

  of(name: string, attribute: string): string {
    return path.join(this.root, 'sys/block', name, attribute);
  }

  private setSize(name: string): void {
    const file = readFileSync(this.of(name, 'loop/backing_file'), 'utf8').trimEnd();
    writeFileSync(this.of(name, 'size'), `${statSync(file).size / 512}\n`);
  }
}

let root: string;
let loops: FakeLoops;
let clock: FakeClock;

const connectorOf = (nodeName: string) =>
  createLoopConnector({
    processes: loops,
    mounts: { list: async () => [] },
    nodeId: parseNodeId(nodeName, 'node_id'),
    pathOf: (filePath) => path.join(root, 'files', filePath),
    linkRoot: path.join(root, 'nodes'),
    sysRoot: path.join(root, 'sys'),
    devRoot: path.join(root, 'dev'),
    limits,
    clock,
    nodeNumbersOf: async (node) => findDeviceNumbers(readFileSync(node, 'utf8')),
  });

const image = () => path.join(root, 'files/pool/volume.img');
const link = () => path.join(root, 'nodes/node-1', nqn);

const makeImage = (sizeBytes: bigint) => {
  writeFileSync(image(), '');
  truncateSync(image(), Number(sizeBytes));
};

const fault = async (act: Promise<unknown>): Promise<readonly [string, string]> => {
  const error = await act.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Fault)) throw new Error(`no Fault: ${String(error)}`);
  return [error.kind, error.message];
};

beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'loops-')));
  loops = new FakeLoops(root);
  clock = new FakeClock();
  mkdirSync(path.join(root, 'files/pool'), { recursive: true });
  makeImage(8n * MIB);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('connect', () => {
  it('puts a loop device on a name of the file that is this node’s and this NQN’s', async () => {
    const connector = connectorOf('node-1');
    const device = {
      nqn,
      path: path.join(root, 'dev/loop0'),
      major: 7,
      minor: 0,
      sizeBytes: 8n * MIB,
      state: 'live',
    };
    expect(await connector.connect(target)).toEqual({ device, connectedNow: true });
    expect(await connector.connect(target)).toEqual({ device, connectedNow: false });
    expect(await connectorOf('node-1').find(nqn)).toEqual(device);
    expect(loops.commands.map(({ file, args }) => [file, ...args])).toEqual([
      ['losetup', '--find', '--show', '--direct-io=off', link()],
    ]);
    expect(statSync(link()).ino).toBe(statSync(image()).ino);
  });

  it('goes on from a name that an earlier try left', async () => {
    mkdirSync(path.dirname(link()), { recursive: true });
    linkSync(image(), link());
    expect((await connectorOf('node-1').connect(target)).connectedNow).toBe(true);
  });

  it('puts a name of a file that is no more the volume’s out of the way', async () => {
    mkdirSync(path.dirname(link()), { recursive: true });
    writeFileSync(link(), 'the volume before');
    await connectorOf('node-1').connect(target);
    expect(statSync(link()).ino).toBe(statSync(image()).ino);
  });

  it('refuses the device of a file that is no more the volume’s', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    unlinkSync(image());
    writeFileSync(path.join(root, 'other'), '');
    makeImage(MIB);
    expect(await fault(connector.connect(target))).toEqual([
      'DeviceMismatch',
      `${nqn}: ${path.join(root, 'dev/loop0')} is on another file than ${image()}`,
    ]);
    expect((await connector.find(nqn))?.sizeBytes).toBe(8n * MIB);
    await connector.disconnect(nqn);
    expect((await connector.connect(target)).device.sizeBytes).toBe(MIB);
  });

  it.each([
    ['is missing', () => unlinkSync(image())],
    [
      'is a link',
      () => {
        unlinkSync(image());
        symlinkSync('/dev/zero', image());
      },
    ],
    [
      'is a folder',
      () => {
        unlinkSync(image());
        mkdirSync(image());
      },
    ],
  ])('makes nothing of a backing file that %s', async (_what, spoil) => {
    spoil();
    expect(await fault(connectorOf('node-1').connect(target))).toEqual([
      'ConnectFailed',
      `${nqn}: there is no backing file ${image()}`,
    ]);
    expect(loops.commands).toEqual([]);
  });

  it('takes its device off again when the device cannot be used', async () => {
    makeImage(0n);
    const [kind, message] = await fault(connectorOf('node-1').connect(target));
    expect([kind, message]).toEqual(['DeviceMismatch', expect.stringContaining('loop0 has a size of 0')]);
    expect(await connectorOf('node-1').find(nqn)).toBeUndefined();
  });

  it('says what losetup said', async () => {
    loops.failing.set('--find', 'losetup: cannot find an unused loop device\n');
    expect(await fault(connectorOf('node-1').connect(target))).toEqual([
      'ConnectFailed',
      `${nqn}: no loop device on ${link()}: losetup: cannot find an unused loop device`,
    ]);
  });

  it('says which module is missing', async () => {
    unlinkSync(path.join(root, 'dev/loop-control'));
    const [kind, message] = await fault(connectorOf('node-1').connect(target));
    expect([kind, message]).toEqual(['NodeToolMissing', expect.stringContaining('modprobe loop')]);
  });

  it('takes its own device off again when there turns out to be another on the file', async () => {
    let raced = false;
    loops.beforeAttach = () => {
      if (raced) return;
      raced = true;
      loops.attach(link());
    };
    expect((await fault(connectorOf('node-1').connect(target)))[0]).toBe('DeviceMismatch');
    expect(loops.commands.at(-1)?.args).toEqual(['--detach', path.join(root, 'dev/loop1')]);
    expect((await connectorOf('node-1').connect(target)).device.path).toBe(path.join(root, 'dev/loop0'));
  });

  it('keeps apart what does not: two devices on one file are one too many', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    loops.attach(link());
    expect(await fault(connector.find(nqn))).toEqual([
      'DeviceMismatch',
      `${nqn}: several loop devices on its file: loop0, loop1`,
    ]);
    await connector.disconnect(nqn);
    expect(await connector.find(nqn)).toBeUndefined();
  });

  it('waits for a device that was told to go, and makes another', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    loops.open.add('loop0');
    loops.detach('loop0');
    expect((await connector.find(nqn))?.state).toBe('deleting');
    clock.onPause = () => {
      clock.onPause = () => undefined;
      loops.open.clear();
      loops.detach('loop0');
    };
    expect((await connector.connect(target)).connectedNow).toBe(true);
  });

  it('does not use a device that was told to go and does not', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    loops.open.add('loop0');
    loops.detach('loop0');
    const expected = ['NodeTimeout', `${nqn}: loop0 told to go, and still open after 20 s`];
    expect(await fault(connector.connect(target))).toEqual(expected);
    expect(await fault(connector.disconnect(nqn))).toEqual(expected);
  });
});

describe('disconnect', () => {
  it('leaves the device of another node on the same file', async () => {
    const [one, two] = [connectorOf('node-1'), connectorOf('node-2')];
    expect((await one.connect(target)).device.path).toBe(path.join(root, 'dev/loop0'));
    expect((await two.connect(target)).device.path).toBe(path.join(root, 'dev/loop1'));
    await one.disconnect(nqn);
    await one.disconnect(nqn);
    expect(await one.find(nqn)).toBeUndefined();
    expect((await two.find(nqn))?.path).toBe(path.join(root, 'dev/loop1'));
  });

  it('takes the device off a file that has lost its name', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    unlinkSync(link());
    writeFileSync(loops.of('loop0', 'loop/backing_file'), `${link()} (deleted)\n`);
    expect((await fault(connector.connect(target)))[0]).toBe('DeviceMismatch');
    await connector.disconnect(nqn);
    expect(await connector.find(nqn)).toBeUndefined();
  });

  it('takes away the name that a connect left, and nothing of the volume', async () => {
    const connector = connectorOf('node-1');
    loops.failing.set('--find', 'no');
    await fault(connector.connect(target));
    expect(existsSync(link())).toBe(true);
    await connector.disconnect(nqn);
    expect([existsSync(link()), existsSync(image())]).toEqual([false, true]);
  });

  it('believes the kernel, not losetup', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    loops.failing.set('--detach', 'losetup: detach failed');
    expect((await fault(connector.disconnect(nqn)))[0]).toBe('NodeToolFailed');
    expect(await connector.find(nqn)).toBeDefined();
  });
});

describe('rescan', () => {
  it('returns the size that the file has now', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    truncateSync(image(), Number(16n * MIB));
    expect((await connector.find(nqn))?.sizeBytes).toBe(8n * MIB);
    expect((await connector.rescan(nqn))?.sizeBytes).toBe(16n * MIB);
  });

  it('is undefined for what is not connected', async () => {
    expect(await connectorOf('node-1').rescan(nqn)).toBeUndefined();
  });

  it('says what losetup said', async () => {
    const connector = connectorOf('node-1');
    await connector.connect(target);
    loops.failing.set('--set-capacity', 'losetup: set capacity failed');
    const [kind, message] = await fault(connector.rescan(nqn));
    expect([kind, message]).toEqual(['NodeToolFailed', expect.stringContaining('set capacity failed')]);
  });
});
