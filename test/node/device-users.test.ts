import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createDeviceUsers } from '../../src/adapters/mount/device-users';
import { createProcesses } from '../../src/adapters/process/processes';
import { deviceNumbersOf } from '../../src/domain/nvme-sysfs';
import { startHangingMount } from '../kit/hanging-mount';
import { createNodeLab, describeAsRoot, type NodeLab } from '../kit/loop';

const MIB = 1024 * 1024;
const processes = createProcesses();

let lab: NodeLab;
let children: ChildProcess[];
beforeEach(() => {
  lab = createNodeLab();
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  lab.clean();
});

/** A process that has a file open for reading and writing, and nothing else to do with it. */
async function open(path: string): Promise<number> {
  const script = `require('fs').openSync(${JSON.stringify(path)}, 'r+'); console.log('open'); setInterval(() => {}, 60000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

const numbersOf = (path: string) => deviceNumbersOf(lstatSync(path, { bigint: true }).rdev);

function deviceNode(path: string, of: string): string {
  const { major, minor } = numbersOf(of);
  mkdirSync(join(path, '..'), { recursive: true });
  execFileSync('mknod', ['-m', '0600', path, 'b', `${major}`, `${minor}`]);
  return path;
}

describeAsRoot('who has a device', () => {
  it('is found by its numbers, whatever they call it: a process, a loop device, a pod', async () => {
    const kubeletDir = lab.directory('kubelet');
    const [opened, looped, published, unused] = [1, 2, 3, 4].map(() => lab.loop(8 * MIB).path);
    if (!opened || !looped || !published || !unused) throw new Error('there are no devices');
    const users = createDeviceUsers({ processes, kubeletDir });
    const all = [opened, looped, published, unused];
    const find = async () => (await users.find(all.map(numbersOf))).map((use) => use.users);
    expect(await find()).toEqual([[], [], [], []]);

    const pid = await open(deviceNode(join(lab.folder, 'a container', 'xvda'), opened));
    const loop = lab.attach(deviceNode(join(lab.folder, 'another name'), looped)).path;
    const place = deviceNode(join(kubeletDir, 'plugins/kubernetes.io/csi/volumeDevices/publish/pv/uid'), published);
    const seen = await find();
    expect(seen).toEqual([
      [expect.stringContaining(`[${pid}] has it open`)],
      [`${loop.slice('/dev/'.length)} is on ${join(lab.folder, 'another name')}`],
      [`published at ${place}`],
      [],
    ]);
  }, 60_000);

  it('is not known while a loop device has a path of another mount namespace, whatever that path names here', async () => {
    const [device, another] = [1, 2].map(() => lab.loop(8 * MIB).path);
    if (!device || !another) throw new Error('there are no devices');
    const kubeletDir = lab.directory('kubelet');
    const users = createDeviceUsers({ processes, kubeletDir });
    /** The machine may have more that cannot be looked at. */
    const find = async () => {
      const [use] = await users.find([numbersOf(device)]);
      return { users: use?.users, unknown: use?.unknown.filter((text) => text.includes(lab.folder)) };
    };
    // The two of the lab are on files: nobody's use, and nothing unknown.
    expect(await find()).toEqual({ users: [], unknown: [] });

    const place = deviceNode(join(lab.directory('dev'), 'xvda'), another);
    const { major, minor } = numbersOf(device);
    const script = `mount -t tmpfs none "$1" && mknod "$2" b ${major} ${minor} && losetup --find --show "$2" && exec sleep 60`;
    const args = ['--mount', 'sh', '-c', script, 'sh', join(place, '..'), place];
    // It goes on: the mounts of a namespace end with its last process, and then the path is without their places.
    const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [told] = await once(child.stdout, 'data');
    const loop = String(told).trim();
    try {
      const unknown = `${loop.slice('/dev/'.length)} is on ${place}, which cannot be looked at`;
      expect(await find()).toEqual({ users: [], unknown: [expect.stringContaining(unknown)] });
    } finally {
      execFileSync('losetup', ['--detach', loop]);
    }
  }, 60_000);

  it('is found where its device node is bound', async () => {
    const device = lab.loop(8 * MIB).path;
    const target = join(lab.directory('kubelet/pods/uid/volumeDevices/csi'), 'pv');
    writeFileSync(target, '');
    execFileSync('mount', ['--bind', device, target]);
    const [use] = await createDeviceUsers({ processes, kubeletDir: join(lab.folder, 'kubelet') }).find([
      numbersOf(device),
    ]);
    expect(use?.users).toContain(`published at ${target}`);
  }, 60_000);

  it('is not known while something on the way never answers, and that hangs nobody here', async () => {
    const device = lab.loop(8 * MIB).path;
    const hangingFolder = lab.directory('kubelet/pods/uid/volumeDevices/hanging');
    const hanging = await startHangingMount(hangingFolder);
    try {
      const users = createDeviceUsers({ processes, kubeletDir: join(lab.folder, 'kubelet') });
      const startedMs = performance.now();
      await expect(users.find([numbersOf(device)])).rejects.toMatchObject({ kind: 'NodeTimeout' });
      expect(performance.now() - startedMs).toBeLessThan(15_000);
      // One program at most is left behind.
      await expect(users.find([numbersOf(device)])).rejects.toThrow('still hangs');
    } finally {
      await hanging.stop();
    }
  }, 60_000);
});
