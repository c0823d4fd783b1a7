import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createLoopConnector } from '../../src/adapters/nvme/loop-connector';
import type { ConnectorPort, ConnectTarget } from '../../src/adapters/nvme/port';
import type { ProcessPort } from '../../src/adapters/process/port';
import { createProcesses } from '../../src/adapters/process/processes';
import { Fault } from '../../src/domain/fault';
import { parseMountinfo } from '../../src/domain/mountinfo';
import { parseNodeId, parseNqnPrefix, type SubsystemNqn, subsystemNqnOf } from '../../src/domain/nqn';
import { MIB } from '../../src/domain/size';
import { volumeIdOf } from '../../src/domain/volume-id-of';

// Programs and devices: as quick as the machine is, beside all that else it does.
jest.setTimeout(60_000);

const hasLoops = process.getuid?.() === 0 && existsSync('/dev/loop-control');
const suite = hasLoops ? describe : describe.skip;

const limits = { commandMs: 20_000, deviceMs: 10_000, goneMs: 1_500, growMs: 1_000, pollMs: 20 };

let root: string;
let target: ConnectTarget;
let nqn: SubsystemNqn;

const run = (file: string, ...args: readonly string[]): string => execFileSync(file, args, { encoding: 'utf8' });

const connectorOf = (nodeName: string, processes: ProcessPort = createProcesses()): ConnectorPort =>
  createLoopConnector({
    processes,
    mounts: { list: async () => parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')) },
    nodeId: parseNodeId(nodeName, 'node_id'),
    pathOf: (filePath) => path.join(root, 'files', filePath),
    linkRoot: path.join(root, 'nodes'),
    limits,
  });

/** A process that dies before or after its n-th program, as far as the connector can tell. */
const dying = (when: 'before' | 'after', verb: string): ProcessPort => {
  const processes = createProcesses();
  return {
    async run(command) {
      if (command.args[0] !== verb) return processes.run(command);
      if (when === 'after') await processes.run(command);
      throw new Error('killed');
    },
  };
};

const fault = async (act: Promise<unknown>): Promise<readonly [string, string]> => {
  const error = await act.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Fault)) throw new Error(`no Fault: ${String(error)}`);
  return [error.kind, error.message];
};

const image = (): string => path.join(root, 'files', target.filePath);

/** Loop devices on files of this test. */
const loops = (): readonly string[] =>
  readdirSync('/sys/block').filter((name) => {
    const file = `/sys/block/${name}/loop/backing_file`;
    return existsSync(file) && readFileSync(file, 'utf8').startsWith(root);
  });

const write = (devicePath: string, text: string): void => {
  const handle = openSync(devicePath, 'rs+');
  writeSync(handle, text.padEnd(512));
  closeSync(handle);
  run('blockdev', '--flushbufs', devicePath);
};

beforeEach(() => {
  // A space in the path, as a careless user has it.
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'rds csi-')));
  const volumeId = volumeIdOf('loop-connector-test');
  nqn = subsystemNqnOf(parseNqnPrefix('nqn.2000-02.com.mikrotik', 'nqnPrefix'), volumeId);
  target = {
    nqn,
    address: '127.0.0.1',
    port: 4420,
    filePath: `/storage-pool/metal-csi/${volumeId}.img`,
    ctrlLossTmo: -1,
    reconnectDelay: 5,
    keepAliveTmo: undefined,
  };
  mkdirSync(path.dirname(image()), { recursive: true });
  mkdirSync(path.join(root, 'mount'));
  writeFileSync(image(), '');
  truncateSync(image(), Number(64n * MIB));
});

afterEach(() => {
  const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  for (const { mountPoint } of mounts.toReversed()) if (mountPoint.startsWith(root)) run('umount', mountPoint);
  for (const name of loops()) run('losetup', '--detach', `/dev/${name}`);
  rmSync(root, { recursive: true });
});

suite('the loop connector on this machine (skipped unless root, with loop devices)', () => {
  it('connects once, finds it after a restart, disconnects, and again', async () => {
    const connector = connectorOf('node-1');
    const { device, connectedNow } = await connector.connect(target);
    expect(connectedNow).toBe(true);
    expect([device.sizeBytes, device.major, device.state]).toEqual([64n * MIB, 7, 'live']);
    expect(await connector.connect(target)).toEqual({ device, connectedNow: false });

    const restarted = connectorOf('node-1');
    expect(await restarted.find(nqn)).toEqual(device);
    expect(await restarted.connect(target)).toEqual({ device, connectedNow: false });
    expect(loops()).toHaveLength(1);

    await restarted.disconnect(nqn);
    await restarted.disconnect(nqn);
    expect(await restarted.find(nqn)).toBeUndefined();
    expect(loops()).toEqual([]);
    expect(readdirSync(path.join(root, 'nodes/node-1'))).toEqual([]);
    expect(existsSync(image())).toBe(true);
  });

  it('is one device when asked for at once', async () => {
    const connector = connectorOf('node-1');
    const both = await Promise.all([connector.connect(target), connector.connect(target)]);
    expect(both.filter(({ connectedNow }) => connectedNow)).toHaveLength(1);
    expect(both[0]?.device).toEqual(both[1]?.device);
    expect(loops()).toHaveLength(1);
  });

  it('sees the file grow when it is told to look, under a mount', async () => {
    const connector = connectorOf('node-1');
    const { device } = await connector.connect(target);
    run('mkfs.ext4', '-q', device.path);
    run('mount', device.path, path.join(root, 'mount'));
    truncateSync(image(), Number(128n * MIB));
    expect((await connector.find(nqn))?.sizeBytes).toBe(64n * MIB);
    expect((await connector.rescan(nqn))?.sizeBytes).toBe(128n * MIB);
    expect(run('blockdev', '--getsize64', device.path).trim()).toBe(`${128n * MIB}`);
  });

  it.each(['ext4', 'btrfs'])('does not pull a disk that is mounted as %s', async (fileSystem) => {
    const connector = connectorOf('node-1');
    truncateSync(image(), Number(160n * MIB));
    const { device } = await connector.connect(target);
    run(`mkfs.${fileSystem}`, '-q', device.path);
    run('mount', device.path, path.join(root, 'mount'));
    const [kind, message] = await fault(connector.disconnect(nqn));
    expect([kind, message]).toEqual(['MountBusy', expect.stringContaining('still in use')]);
    expect(message).toContain(`is mounted at ${root}/mount`);
    expect(await connector.find(nqn)).toEqual(device);
    run('umount', path.join(root, 'mount'));
    await connector.disconnect(nqn);
    expect(loops()).toEqual([]);
  });

  it('does not pull a disk that is mounted in another namespace alone', async () => {
    const connector = connectorOf('node-1');
    const { device } = await connector.connect(target);
    run('mkfs.ext4', '-q', device.path);
    run('mount', device.path, path.join(root, 'mount'));
    const holder = spawn('unshare', ['--mount', 'sh', '-c', 'echo ready; read -r end'], { stdio: 'pipe' });
    try {
      await once(holder.stdout, 'data');
      run('umount', path.join(root, 'mount'));
      const name = path.basename(device.path);
      expect(await fault(connector.disconnect(nqn))).toEqual([
        'MountBusy',
        `${nqn}: still in use: ${name} is mounted, in another mount namespace or as a device that is gone`,
      ]);
    } finally {
      holder.stdin.end('\n');
      await once(holder, 'exit');
    }
    await connector.disconnect(nqn);
    expect(loops()).toEqual([]);
  });

  it('does not call a device gone that somebody has open, and it goes when they close it', async () => {
    const connector = connectorOf('node-1');
    const { device } = await connector.connect(target);
    const handle = openSync(device.path, 'r');
    try {
      const expected = ['NodeTimeout', expect.stringContaining('still open')];
      expect(await fault(connector.disconnect(nqn))).toEqual(expected);
      // It would go from under whoever used it.
      expect(await fault(connector.connect(target))).toEqual(expected);
      expect((await connector.find(nqn))?.state).toBe('deleting');
    } finally {
      closeSync(handle);
    }
    expect((await connector.connect(target)).connectedNow).toBe(true);
  });

  it('keeps two nodes on one file apart', async () => {
    const [one, two] = [connectorOf('node-1'), connectorOf('node-2')];
    const first = (await one.connect(target)).device;
    const second = (await two.connect(target)).device;
    expect(first.path).not.toBe(second.path);
    write(first.path, 'moved');
    await one.disconnect(nqn);
    expect(await one.find(nqn)).toBeUndefined();
    expect(await two.find(nqn)).toEqual(second);
    run('blockdev', '--flushbufs', second.path);
    expect(readFileSync(second.path).subarray(0, 5).toString()).toBe('moved');
    await two.disconnect(nqn);
    expect(loops()).toEqual([]);
  });

  it.each([
    ['before', 0],
    ['after', 1],
  ] as const)('goes on from a connect that died %s losetup', async (when, left) => {
    await expect(connectorOf('node-1', dying(when, '--find')).connect(target)).rejects.toThrow('killed');
    expect(loops()).toHaveLength(left);
    const { connectedNow } = await connectorOf('node-1').connect(target);
    expect([connectedNow, loops().length]).toEqual([when === 'before', 1]);
    await connectorOf('node-1').disconnect(nqn);
    expect([loops(), readdirSync(path.join(root, 'nodes/node-1'))]).toEqual([[], []]);
  });

  it.each(['before', 'after'] as const)('goes on from a disconnect that died %s losetup', async (when) => {
    await connectorOf('node-1').connect(target);
    await expect(connectorOf('node-1', dying(when, '--detach')).disconnect(nqn)).rejects.toThrow('killed');
    await connectorOf('node-1').disconnect(nqn);
    expect([loops(), readdirSync(path.join(root, 'nodes/node-1'))]).toEqual([[], []]);
  });

  it('finds and takes away the device of a file that has been deleted with all its names', async () => {
    const connector = connectorOf('node-1');
    const { device } = await connector.connect(target);
    unlinkSync(image());
    unlinkSync(path.join(root, 'nodes/node-1', nqn));
    expect(await connectorOf('node-1').find(nqn)).toEqual(device);
    await connectorOf('node-1').disconnect(nqn);
    expect(loops()).toEqual([]);
  });

  it('gives a device back for writing: the kernel would keep it read-only for the next one’s file', async () => {
    const connector = connectorOf('node-a');
    const { device } = await connector.connect(target);
    run('blockdev', '--setro', device.path);
    await connector.disconnect(nqn);
    expect(readFileSync(`/sys/block/${path.basename(device.path)}/ro`, 'utf8')).toBe('0\n');
  });

  it('touches no loop device of others', async () => {
    const foreign = run('losetup', '--find', '--show', image()).trim();
    const connector = connectorOf('node-1');
    await connector.connect(target);
    await connector.disconnect(nqn);
    expect(loops()).toEqual([path.basename(foreign)]);
  });
});
