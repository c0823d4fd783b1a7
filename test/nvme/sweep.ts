import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { hostIdOf, hostNqnOf } from '../../src/domain/host-nqn';
import { parseNodeId } from '../../src/domain/nqn';
import { waitFor } from '../kit/driver';
import { createPodVolume } from '../kit/pod';
import { blockOf } from '../kit/requests';
import { controllersOf, deviceOf, type PodVolume, stateOf } from './kit';
import type { World } from './world';

const MIB_64 = 2n ** 26n;
const NODE_ID = 'node-a';
const OUR_PREFIX = 'nqn.2000-02.com.mikrotik:';
const OTHER_PREFIX = 'nqn.2001-03.org.example:';
const NVMET = '/sys/kernel/config/nvmet';
const PORT = path.join(NVMET, 'ports/901');
const TARGET_PORT = '4997';

/** What is to be taken back, the last one first. */
type Undo = (() => unknown)[];
type Connected = Pick<PodVolume, 'volumeId'>;

/** Who connects: the node, as its driver would, or somebody else. */
const [THE_NODE, SOMEBODY] = [NODE_ID, 'somebody'].map((name) => {
  const nodeId = parseNodeId(name, 'node');
  return ['--hostnqn', hostNqnOf(nodeId), '--hostid', hostIdOf(nodeId)];
}) as [string[], string[]];

/** What the start of a node's process ends, and what it leaves. */
export function sweepTests(world: World): void {
  describe('the start of a node’s process', () => {
    it('ends a session of ours that no stage knows of and nobody uses, and no other', async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'sweep-'));
      const undo: Undo = [() => rmSync(folder, { recursive: true, force: true })];
      try {
        startTarget(undo);
        const staged = await stage(world, undo);
        const ours = { folder, undo };
        const unused = await connect(ours);
        const mounted = await connect(ours);
        const opened = await connect(ours);
        const published = await connect(ours);
        const looped = await connect(ours);
        const named = await connect(ours);
        const foreign = await connect({ ...ours, prefix: OTHER_PREFIX });
        const others = await connect({ ...ours, who: SOMEBODY });
        mount(mounted, path.join(folder, 'data'), undo);
        const pid = await open(deviceNode(path.join(folder, 'container/dev/xvda'), opened), undo);
        const { kubeletDir } = world.node;
        const csi = path.join(kubeletDir, 'plugins/kubernetes.io/csi/volumeDevices');
        const place = deviceNode(path.join(csi, 'publish/pv', opened.volumeId), published);
        undo.push(() => rmSync(csi, { recursive: true, force: true }));
        const record = kubeletRecord(path.join(csi, 'pv/data'), named);
        const loop = attachLoop(deviceNode(path.join(folder, 'disk'), looped), undo);

        const left = [mounted, opened, published, looped, named, foreign, others, staged];
        const before = left.map(({ volumeId }) => controllersOf(volumeId));
        await world.node.program.kill();
        await world.startNode();
        // It sweeps when it serves already.
        const judged = [unused, mounted, opened, published, looped, named];
        await waitFor(
          async () => {
            const log = await world.node.log();
            return judged.every((volume) => saidOf(log, volume).length > 0);
          },
          () => world.node.log(),
        );

        expect(stateOf(unused.volumeId)).toBeUndefined();
        expect(left.map(({ volumeId }) => controllersOf(volumeId))).toEqual(before);
        expect(left.map(({ volumeId }) => stateOf(volumeId))).toEqual(left.map(() => 'live'));
        const log = await world.node.log();
        const said = (volume: Connected) => saidOf(log, volume);
        expect(said(unused)).toEqual([expect.stringMatching(/^disconnected: it was left over/)]);
        expect(said(mounted)).toEqual([expect.stringContaining(`mounted at ${path.join(folder, 'data')}`)]);
        expect(said(opened)).toEqual([expect.stringContaining(`[${pid}] has it open`)]);
        expect(said(published)).toEqual([expect.stringContaining(`published at ${place}`)]);
        expect(said(looped)).toEqual([expect.stringContaining(`${loop} is on ${path.join(folder, 'disk')}`)]);
        expect(said(named)).toEqual([expect.stringContaining(`staged by the kubelet, says ${record}`)]);
        expect([foreign, others, staged].map(said)).toEqual([[], [], []]);
      } finally {
        for (const act of undo.toReversed()) await act();
      }
    });
  });
}

/** What the sweep says of a volume in the node's log. */
function saidOf(log: string, { volumeId }: Connected): readonly string[] {
  return log
    .split('\n')
    .filter((line) => line.includes(`"${volumeId}"`))
    .map((line) => String(JSON.parse(line).message))
    .filter((message) => /^disconnected|^connected, and/.test(message));
}

interface ByHand {
  readonly folder: string;
  readonly undo: Undo;
  readonly prefix?: string;
  readonly who?: readonly string[];
}

/** An array of its own, whose volumes the driver knows nothing of: its port. */
function startTarget(undo: Undo): void {
  mkdirSync(PORT);
  undo.push(() => rmdirSync(PORT));
  const values = { trtype: 'tcp', adrfam: 'ipv4', traddr: '127.0.0.1', trsvcid: TARGET_PORT };
  for (const [name, value] of Object.entries(values)) writeFileSync(path.join(PORT, `addr_${name}`), value);
}

/** A volume that another driver, or a person, has connected: this one has no note of it. */
async function connect({ folder, undo, prefix = OUR_PREFIX, who = THE_NODE }: ByHand): Promise<Connected> {
  const volumeId = `pvc-${randomUUID()}`;
  const nqn = `${prefix}${volumeId}`;
  const subsystem = path.join(NVMET, 'subsystems', nqn);
  const namespace = path.join(subsystem, 'namespaces/1');
  const file = path.join(folder, `${volumeId}.img`);
  const link = path.join(PORT, 'subsystems', nqn);
  writeFileSync(file, '');
  truncateSync(file, 2 ** 26);
  mkdirSync(subsystem);
  undo.push(() => rmdirSync(subsystem));
  writeFileSync(path.join(subsystem, 'attr_allow_any_host'), '1');
  mkdirSync(namespace);
  undo.push(() => rmdirSync(namespace));
  writeFileSync(path.join(namespace, 'device_path'), file);
  writeFileSync(path.join(namespace, 'enable'), '1');
  symlinkSync(subsystem, link);
  undo.push(() => unlinkSync(link));
  const where = ['-t', 'tcp', '-a', '127.0.0.1', '-s', TARGET_PORT, '-n', nqn];
  execFileSync('nvme', ['connect', ...where, ...who], { stdio: 'pipe' });
  undo.push(() => execFileSync('nvme', ['disconnect', '-n', nqn], { stdio: 'pipe' }));
  await waitFor(
    () => deviceOf(volumeId) !== undefined && stateOf(volumeId) === 'live',
    () => `${volumeId} has no device`,
  );
  return { volumeId };
}

/** Staged by the driver, and published to nobody. */
async function stage(world: World, undo: Undo): Promise<Connected> {
  const volume = await createPodVolume(world.driver, blockOf(), MIB_64);
  undo.push(() => volume.end(world.node));
  const pod = volume.on(world.node);
  const { volumeId, volumeCapability } = pod.stage;
  await world.driver.csi.publishVolume({ volumeId, nodeId: NODE_ID, volumeCapability });
  await world.node.csi.stage(pod.stage);
  return volume;
}

function mount({ volumeId }: Connected, mountPoint: string, undo: Undo): void {
  const device = deviceOf(volumeId) ?? '';
  mkdirSync(mountPoint);
  execFileSync('mkfs.ext4', ['-q', '-E', 'nodiscard', device]);
  execFileSync('mount', [device, mountPoint]);
  undo.push(() => execFileSync('umount', [mountPoint]));
}

/** Another name for a volume's device. */
function deviceNode(file: string, { volumeId }: Connected): string {
  const name = path.basename(deviceOf(volumeId) ?? '');
  const [major = '', minor = ''] = readFileSync(`/sys/block/${name}/dev`, 'utf8').trim().split(':');
  mkdirSync(path.dirname(file), { recursive: true });
  execFileSync('mknod', ['-m', '0600', file, 'b', major, minor]);
  return file;
}

/** What the kubelet has of a raw block volume that it has had staged, by whichever driver. */
function kubeletRecord(folder: string, { volumeId }: Connected): string {
  const file = path.join(folder, 'vol_data.json');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify({ driverName: 'another.driver', volumeHandle: volumeId }));
  return file;
}

/** A process that has it open as a program that needs no file system does: neither mounted nor held alone. */
async function open(file: string, undo: Undo): Promise<number> {
  const script = `require('fs').openSync(${JSON.stringify(file)}, 'r+'); console.log('open'); setInterval(() => {}, 60000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  undo.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

function attachLoop(file: string, undo: Undo): string {
  const loop = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  undo.push(() => execFileSync('losetup', ['--detach', loop]));
  return path.basename(loop);
}
