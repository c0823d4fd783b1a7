import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createFileSystems } from '../../src/adapters/mount/file-systems';
import { createMounts } from '../../src/adapters/mount/mounts';
import { createPaths } from '../../src/adapters/mount/paths';
import { createProcesses } from '../../src/adapters/process/processes';
import { Fault } from '../../src/domain/fault';
import { findTopmost } from '../../src/domain/mountinfo';
import { startHangingMount } from '../kit/hanging-mount';
import { createNodeLab, describeAsRoot, type Loop, type NodeLab } from '../kit/loop';

const MIB = 1024 * 1024;
const processes = createProcesses();
const mounts = createMounts({ processes });
const fileSystems = createFileSystems({ processes, mounts });
const paths = createPaths({ processes, mounts });

let lab: NodeLab;
beforeEach(() => {
  lab = createNodeLab();
});
afterEach(() => lab.clean());

async function faultOf(act: Promise<unknown>): Promise<unknown> {
  return await act.then(
    () => 'no fault',
    (fault: unknown) => fault,
  );
}

async function topAt(path: string) {
  return findTopmost(await mounts.list(), path);
}

async function mountedVolume(name = 'volume', options: readonly string[] = []): Promise<{ loop: Loop; path: string }> {
  const loop = lab.loop(16 * MIB);
  const path = lab.directory(name);
  const requireSame = () => Promise.resolve();
  await fileSystems.format({ devicePath: loop.path, fileSystem: 'ext4', options: [], resumes: false, requireSame });
  await mounts.mountDevice({ devicePath: loop.path, mountPoint: path, fileSystem: 'ext4', options, readOnly: false });
  writeFileSync(join(path, 'precious'), 'data');
  return { loop, path };
}

describeAsRoot('mounts', () => {
  it('takes the options, and forces none', async () => {
    const { path } = await mountedVolume('volume', ['noatime', 'nosuid']);
    const top = await topAt(path);
    expect(top?.options).toEqual(expect.arrayContaining(['rw', 'noatime', 'nosuid']));
    expect(top?.options).not.toContain('noexec');
  });

  it('never stacks', async () => {
    const { loop, path } = await mountedVolume();
    const again = mounts.mountDevice({
      devicePath: loop.path,
      mountPoint: path,
      fileSystem: 'ext4',
      options: [],
      readOnly: false,
    });
    expect(await faultOf(again)).toMatchObject({ kind: 'MountBusy', message: expect.stringContaining(loop.path) });
    expect(await faultOf(mounts.bind({ source: lab.folder, target: path, readOnly: false }))).toMatchObject({
      kind: 'MountBusy',
    });
    expect((await mounts.list()).filter(({ mountPoint }) => mountPoint === path)).toHaveLength(1);
  });

  it('says why a mount failed, in the words of mount', async () => {
    const loop = lab.loop(16 * MIB);
    const mount = mounts.mountDevice({
      devicePath: loop.path,
      mountPoint: lab.directory('m'),
      fileSystem: 'ext4',
      options: [],
      readOnly: false,
    });
    expect(await faultOf(mount)).toMatchObject({
      kind: 'NodeToolFailed',
      message: expect.stringContaining('wrong fs type'),
    });
  });

  it('a device that lets nobody write is no writable mount', async () => {
    const { loop, path } = await mountedVolume();
    await mounts.unmount(path);
    loop.detach();
    const protectedPath = lab.attach(loop.file, '--read-only').path;
    const mount = (readOnly: boolean) =>
      mounts.mountDevice({ devicePath: protectedPath, mountPoint: path, fileSystem: 'ext4', options: [], readOnly });
    expect(await faultOf(mount(false))).toMatchObject({ kind: 'NodeToolFailed' });
    expect(await topAt(path)).toBeUndefined();
    await mount(true);
    expect((await topAt(path))?.options).toContain('ro');
  });

  it('binds, read-only too, and keeps the other options', async () => {
    const { path } = await mountedVolume('volume', ['nosuid', 'nodev', 'noatime']);
    const [plain, readOnly] = [lab.directory('plain'), lab.directory('read only')];
    await mounts.bind({ source: path, target: plain, readOnly: false });
    await mounts.bind({ source: path, target: readOnly, readOnly: true });
    expect((await topAt(readOnly))?.options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noatime']));
    expect((await topAt(path))?.options).toContain('rw');
    writeFileSync(join(plain, 'new'), 'x');
    expect(readFileSync(join(readOnly, 'new'), 'utf8')).toBe('x');
    expect(() => writeFileSync(join(readOnly, 'other'), 'x')).toThrow('EROFS');
  });

  it('binds a part of a mount, and a device', async () => {
    const { loop, path } = await mountedVolume();
    mkdirSync(join(path, 'part'));
    await mounts.bind({ source: join(path, 'part'), target: lab.directory('part'), readOnly: false });
    const target = join(lab.folder, 'device');
    await paths.ensureFile(target);
    await mounts.bind({ source: loop.path, target, readOnly: false });
    expect(await paths.find(target)).toEqual({ kind: 'mount-point' });
    await mounts.unmount(target);
    await paths.remove(target);
    expect(existsSync(target)).toBe(false);
  });

  it('takes a bind away again that could not be made read-only', async () => {
    const { path } = await mountedVolume();
    const target = lab.directory('target');
    const broken = createMounts({
      processes: {
        ...processes,
        run: (command) =>
          command.args.some((argument) => argument.startsWith('remount'))
            ? Promise.resolve({ exitCode: 32, stdout: '', stderr: 'mount: no' })
            : processes.run(command),
      },
    });
    const bind = broken.bind({ source: path, target, readOnly: true });
    expect(await faultOf(bind)).toMatchObject({
      kind: 'NodeToolFailed',
      message: expect.stringContaining('mount: no'),
    });
    expect(await topAt(target)).toBeUndefined();
    expect(await topAt(path)).toBeDefined();
  });

  it('unmounts what is stacked, one by one, and nothing is nothing to do', async () => {
    const [first, second] = [await mountedVolume('first'), await mountedVolume('second')];
    const target = lab.directory('target');
    for (const source of [first.path, second.path, first.path]) {
      await processes.run({ file: 'mount', args: ['--bind', source, target], limitMs: 5_000 });
    }
    for (const left of [2, 1, 0, 0]) {
      await mounts.unmount(target);
      expect((await mounts.list()).filter(({ mountPoint }) => mountPoint === target)).toHaveLength(left);
    }
    expect(readFileSync(join(first.path, 'precious'), 'utf8')).toBe('data');
    expect(readFileSync(join(second.path, 'precious'), 'utf8')).toBe('data');
  });

  it('says who keeps a mount busy', async () => {
    const { path } = await mountedVolume();
    const sleeper = spawn('sleep', ['60'], { cwd: path, stdio: 'ignore' });
    try {
      await once(sleeper, 'spawn');
      await expectCwd(sleeper.pid, path);
      expect(await faultOf(mounts.unmount(path))).toMatchObject({
        kind: 'MountBusy',
        message: `${path} is busy and stays mounted (used by sleep[${sleeper.pid}]: its working directory)`,
      });
      expect(await topAt(path)).toBeDefined();
    } finally {
      sleeper.kill();
      await once(sleeper, 'exit');
    }
    await mounts.unmount(path);
  });

  it('says what is mounted below', async () => {
    const { path } = await mountedVolume();
    mkdirSync(join(path, 'below'));
    await mounts.bind({ source: lab.folder, target: join(path, 'below'), readOnly: false });
    expect(await faultOf(mounts.unmount(path))).toMatchObject({
      kind: 'MountBusy',
      message: expect.stringContaining(`mounted below: ${join(path, 'below')}`),
    });
    await mounts.unmount(join(path, 'below'));
  });

  it('statistics are those of the file system', async () => {
    const { path } = await mountedVolume();
    const stats = await mounts.stats(path);
    expect(stats.totalBytes).toBeGreaterThan(BigInt(10 * MIB));
    expect(stats.totalBytes).toBeLessThan(BigInt(16 * MIB));
    expect(stats.freeBytes).toBeLessThan(stats.totalBytes);
    expect(stats.availableBytes).toBeLessThanOrEqual(stats.freeBytes);
    expect(stats.totalInodes - stats.freeInodes).toBeGreaterThan(10n);
  });

  it('there are none where nothing is mounted', async () =>
    expect(await faultOf(mounts.stats(lab.directory('m')))).toMatchObject({
      kind: 'NodeToolFailed',
      message: expect.stringContaining('nothing is mounted'),
    }));
});

async function expectCwd(pid: number | undefined, path: string): Promise<void> {
  while ((await readlink(`/proc/${pid}/cwd`)) !== path) await new Promise((resolve) => setImmediate(resolve));
}

describeAsRoot('a mount that never answers', () => {
  it('harms nobody else, and is let go of when it answers', async () => {
    const { path: healthy } = await mountedVolume();
    const path = lab.directory('hanging');
    const hanging = await startHangingMount(path);
    try {
      const startedMs = performance.now();
      const stats = [mounts.stats(path), mounts.stats(path), mounts.stats(path)].map(faultOf);
      expect((await mounts.stats(healthy)).totalBytes).toBeGreaterThan(0n);
      expect(performance.now() - startedMs).toBeLessThan(2_000);
      for (const fault of await Promise.all(stats)) {
        expect(fault).toMatchObject({ kind: 'NodeTimeout', message: expect.stringContaining('hangs in the kernel') });
      }
      expect(performance.now() - startedMs).toBeLessThan(5_000);

      // One program hangs there, and no more are added.
      const againMs = performance.now();
      expect(await faultOf(mounts.stats(path))).toMatchObject({
        kind: 'NodeTimeout',
        message: expect.stringContaining('still hangs'),
      });
      expect(performance.now() - againMs).toBeLessThan(1_000);
      expect(stuckOn(path)).toHaveLength(1);

      // Not touched by any of these.
      expect(await paths.find(path)).toEqual({ kind: 'mount-point' });
      expect(await paths.resolveBelow(path, lab.folder, 'path')).toBe(path);
      await paths.ensureDirectory(path);
      expect(await faultOf(paths.remove(path))).toMatchObject({ kind: 'MountBusy' });
      expect(await faultOf(paths.find(join(path, 'below')))).toMatchObject({ kind: 'NodeTimeout' });
      // Never lazily: what hangs there still holds it.
      expect(await faultOf(mounts.unmount(path))).toMatchObject({
        kind: 'MountBusy',
        message: expect.stringContaining(path),
      });
      expect((await mounts.stats(healthy)).totalBytes).toBeGreaterThan(0n);
    } finally {
      await hanging.stop();
    }
    await untilAnswered(path);
    expect(stuckOn(path)).toEqual([]);
    expect(await faultOf(mounts.stats(path))).toMatchObject({ kind: 'NodeToolFailed' });
    await mounts.unmount(path);
    await paths.remove(path);
    expect(existsSync(path)).toBe(false);
  }, 30_000);

  it('keeps everybody out of each lane of a program that it hangs, until that has ended', async () => {
    const path = lab.directory('hanging');
    const hanging = await startHangingMount(path);
    const inLane = (lane: string | readonly string[], place = '/') =>
      processes.run({ file: 'stat', args: ['--file-system', '--', place], limitMs: 500, lane });
    try {
      expect(await faultOf(inLane(['the volume', 'the address'], path))).toMatchObject({ kind: 'NodeTimeout' });
      for (const lane of ['the volume', 'the address', ['another volume', 'the address']]) {
        expect(await faultOf(inLane(lane))).toMatchObject({
          kind: 'NodeTimeout',
          message: expect.stringContaining('still hangs'),
        });
      }
      expect(await inLane('another volume')).toMatchObject({ exitCode: 0 });
    } finally {
      await hanging.stop();
    }
    await untilAnswered(path);
    expect(await inLane(['the volume', 'the address'])).toMatchObject({ exitCode: 0 });
    await mounts.unmount(path);
  }, 30_000);

  it('keeps a lane closed in which several programs hang until the last of them has ended', async () => {
    const [first, second] = [lab.directory('first'), lab.directory('second')];
    const hanging = [await startHangingMount(first), await startHangingMount(second)];
    const inLane = (place: string) =>
      processes.run({ file: 'stat', args: ['--file-system', '--', place], limitMs: 500, lane: 'the address' });
    try {
      const faults = await Promise.all([first, second].map((place) => faultOf(inLane(place))));
      expect(faults).toEqual(faults.map(() => expect.objectContaining({ kind: 'NodeTimeout' })));
      await hanging[0]?.stop();
      await untilAnswered(first);
      expect(stuckOn(first)).toEqual([]);
      expect(await faultOf(inLane('/'))).toMatchObject({ message: expect.stringContaining('still hangs') });
    } finally {
      await Promise.all(hanging.map((each) => each.stop()));
    }
    await untilAnswered(second);
    expect(await inLane('/')).toMatchObject({ exitCode: 0 });
    for (const place of [first, second]) await mounts.unmount(place);
  }, 30_000);

  it('is unmounted where nobody waits for it', async () => {
    const path = lab.directory('hanging');
    const hanging = await startHangingMount(path);
    try {
      await mounts.unmount(path);
    } finally {
      await hanging.stop();
    }
    expect(await topAt(path)).toBeUndefined();
  });
});

/** The numbers of the processes that were started to look at a path, and are still there. */
function stuckOn(path: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false;
    try {
      return (
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1).at(-1) === path && commOf(pid) === 'stat'
      );
    } catch {
      return false;
    }
  });
}

function commOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

/** Until the end of what hung there has been seen: the kernel answers in the place of a server that is gone. */
async function untilAnswered(path: string): Promise<void> {
  for (;;) {
    const fault = await faultOf(mounts.stats(path));
    if (!(fault instanceof Fault) || fault.kind !== 'NodeTimeout') return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describeAsRoot('no file is ever deleted', () => {
  it('with mounts stacked on the target', async () => {
    const { path } = await mountedVolume();
    const target = lab.directory('target');
    for (let count = 0; count < 2; count += 1) {
      await processes.run({ file: 'mount', args: ['--bind', path, target], limitMs: 5_000 });
    }
    for (let count = 0; count < 2; count += 1) {
      expect(await faultOf(paths.remove(target))).toMatchObject({ kind: 'MountBusy' });
      await mounts.unmount(target);
    }
    await paths.remove(target);
    expect(existsSync(target)).toBe(false);
    expect(readFileSync(join(path, 'precious'), 'utf8')).toBe('data');
  });

  it('with something mounted below the target', async () => {
    const { path } = await mountedVolume();
    const below = lab.directory('target/below');
    await mounts.bind({ source: path, target: below, readOnly: false });
    expect(await faultOf(paths.remove(join(lab.folder, 'target')))).toMatchObject({
      kind: 'MountBusy',
      message: expect.stringContaining(`${below} is mounted`),
    });
  });

  it('with files in the target', async () => {
    const target = lab.directory('target');
    writeFileSync(join(target, 'precious'), 'data');
    expect(await faultOf(paths.remove(target))).toMatchObject({ kind: 'PathNotOurs' });
    expect(await faultOf(paths.remove(join(target, 'precious')))).toMatchObject({ kind: 'PathNotOurs' });
    expect(readFileSync(join(target, 'precious'), 'utf8')).toBe('data');
  });

  it('with a link in the way', async () => {
    const { path } = await mountedVolume();
    const link = join(lab.folder, 'link');
    symlinkSync(path, link);
    expect(await paths.find(link)).toEqual({ kind: 'link' });
    for (const act of [
      () => paths.remove(link),
      () => paths.remove(join(link, 'precious')),
      () => paths.ensureFile(join(link, 'new')),
      () => paths.ensureDirectory(link),
      () => paths.ensureDirectory(join(link, 'new')),
    ]) {
      expect(await faultOf(act())).toMatchObject({ kind: 'PathNotOurs' });
    }
    expect(readdirSync(path).toSorted()).toEqual(['lost+found', 'precious']);
  });

  it('without the tools that mount', async () => {
    const { path } = await mountedVolume();
    const without = createProcesses({ path: lab.directory('no tools') });
    const bare = createMounts({ processes: without });
    const barePaths = createPaths({ processes: without, mounts: bare });
    expect(await faultOf(bare.unmount(path))).toMatchObject({
      kind: 'NodeToolMissing',
      message: 'umount is not installed on this node; Debian has it in the package mount',
    });
    expect(await faultOf(barePaths.remove(path))).toMatchObject({ kind: 'MountBusy' });
    expect(await faultOf(bare.stats(path))).toMatchObject({ kind: 'NodeToolMissing' });
    expect(readFileSync(join(path, 'precious'), 'utf8')).toBe('data');
  });
});

describeAsRoot('device nodes', () => {
  it('are made, found again and removed', async () => {
    const loop = lab.loop(16 * MIB);
    const numbers = { major: 7, minor: Number(/\d+$/.exec(loop.path)?.[0]) };
    const node = { path: join(lab.folder, 'node'), ...numbers };
    await paths.ensureDeviceNode(node);
    await paths.ensureDeviceNode(node);
    expect(await paths.find(node.path)).toEqual({ kind: 'block-device', ...numbers });
    expect(await fileSystems.sizeOf(node.path)).toBe(BigInt(16 * MIB));
    expect(await faultOf(paths.ensureDeviceNode({ ...node, minor: numbers.minor + 1 }))).toMatchObject({
      kind: 'PathNotOurs',
    });
    expect(await faultOf(paths.ensureFile(node.path))).toMatchObject({ kind: 'PathNotOurs' });
    await paths.remove(node.path);
    await paths.remove(node.path);
    expect(await paths.find(node.path)).toBeUndefined();
    expect(existsSync(loop.path)).toBe(true);
  });

  it('with large numbers', async () => {
    const node = { path: join(lab.folder, 'node'), major: 259, minor: 1_000_000 };
    await paths.ensureDeviceNode(node);
    expect(await paths.find(node.path)).toEqual({ kind: 'block-device', major: 259, minor: 1_000_000 });
  });
});
