import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, type Node, startDriver, waitFor } from '../kit/driver';
import { createPodVolume, filesOf, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { blockOf, mountOf } from '../kit/requests';
import { createSteps, type SetStep, type Step } from '../kit/steps';

let driver: Driver;
let node: Node;
const steps = createSteps();
const suite = isRoot ? describe : describe.skip;

type Volume = Awaited<ReturnType<typeof createPodVolume>>;
type Pod = ReturnType<Volume['on']>;

/** What the test has set or taken away, and has to be as usual again. */
let usual: (() => void)[] = [];

function set(step: Step): SetStep {
  const made = steps.set(step);
  usual.push(() => made.kill());
  return made;
}

function takeAway(tool: 'mkfs.ext4' | 'mount' | 'umount'): void {
  steps.takeAway(tool);
  usual.push(() => steps.bringBack(tool));
}

function asUsual(): void {
  for (const act of usual) act();
  usual = [];
}

afterEach(asUsual);

beforeAll(async () => {
  if (!isRoot) return;
  driver = await startDriver();
  node = await driver.startNode('node-a', { env: steps.env });
});

afterAll(async () => {
  if (isRoot) await driver.stop();
  steps.close();
});

const codeOf = async (call: Promise<unknown>): Promise<string> => status[(await errorOf(call)).code] ?? '';

/** All that a node has of a volume, to the last mount ID, inode and byte. */
function everythingOf(volumeId: string): object {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return {
    mounts: mounts.filter((line) => line.includes(volumeId)),
    loops: loopsOf(volumeId),
    files: filesOf(volumeId, node)
      .filter((file) => !/\/(mount|globalmount)\//.test(file) && !file.endsWith('/mount'))
      .map((file) => {
        const { ino, mtimeMs, size } = statSync(file);
        return [file, ino, file.includes('/nodes/') ? '' : [mtimeMs, size, readFileSync(file, 'utf8')]];
      }),
  };
}

const EXT4 = mountOf(undefined, 'ext4');
const XFS = mountOf(undefined, 'xfs');
const BTRFS = mountOf(undefined, 'btrfs');
const READERS = blockOf(Mode.MULTI_NODE_READER_ONLY);

interface Failure {
  readonly capability: typeof EXT4 | typeof READERS;
  /** Makes it fail; what it returns is done when the stage is under way. */
  readonly arrange: (volumeId: string, pod: Pod) => (() => Promise<void>) | undefined;
  readonly code: string;
  /** Whether a format was begun that is known to have left something on the device. */
  readonly halfMade: boolean;
}

const fails = (at: Step['at'], act: Step['act'], before: string, behind: string): Failure['arrange'] => {
  return (volumeId) => {
    set({ at, act, on: `${before}${volumeId}${behind}` });
    return undefined;
  };
};
const away = (tool: 'mkfs.ext4' | 'mount'): Failure['arrange'] => {
  return () => {
    takeAway(tool);
    return undefined;
  };
};
const failure = (arrange: Failure['arrange'], code: string, capability: Failure['capability'] = EXT4): Failure => {
  return { capability, arrange, code, halfMade: false };
};

const FAILURES: Readonly<Record<string, Failure>> = {
  'its note: the disk is full': failure((_volumeId, pod) => fillDisk(path.dirname(pod.stagingTargetPath)), 'INTERNAL'),
  'its note: cannot be put in place': failure(fails('rename', 'fails', '*', '/globalmount.rds-csi.json'), 'INTERNAL'),
  'its note: cannot be found by the volume': failure(fails('rename', 'fails', '*/stages/', ''), 'INTERNAL'),
  'connecting: the device cannot be made read-only': failure(readOnlyBy('fails'), 'INTERNAL', READERS),
  'connecting: the device is said to be read-only, and is not': failure(readOnlyBy('lies'), 'INTERNAL', READERS),
  'the look at what is on it: what the kernel remembers of it does not go': failure(
    fails('blockdev', 'fails', '--flushbufs *', '*'),
    'INTERNAL',
  ),
  'the look at what is on it: blkid fails': failure(fails('blkid', 'fails', '*', '*'), 'INTERNAL', XFS),
  'the look at what is on it: another file system': failure((_volumeId, pod) => {
    execFileSync('mkfs.xfs', ['-q', backingFileOf(pod)]);
    return undefined;
  }, 'FAILED_PRECONDITION'),
  'mkfs: cannot be noted': failure(fails('rename', 'fails', '*/stages/', '.formatting'), 'INTERNAL'),
  'mkfs: not installed': failure(away('mkfs.ext4'), 'FAILED_PRECONDITION'),
  'mkfs: refuses': failure(fails('mkfs.ext4', 'fails', '*', '*'), 'INTERNAL'),
  'mkfs: says that it has made one': failure(fails('mkfs.ext4', 'lies', '*', '*'), 'INTERNAL'),
  'mkfs: fails half-way': {
    capability: EXT4,
    arrange: (volumeId) => {
      const step = set({ at: 'mkfs.ext4', act: 'half', on: `*${volumeId}*` });
      return async () => {
        await step.reached();
        step.release();
      };
    },
    code: 'INTERNAL',
    halfMade: true,
  },
  'mount: cannot be noted': failure((volumeId) => {
    const mkfs = set({ at: 'mkfs.ext4', act: 'before', on: `*${volumeId}*` });
    return async () => {
      await mkfs.reached();
      set({ at: 'rename', act: 'fails', on: `*${volumeId}/globalmount.rds-csi.json` });
      mkfs.release();
    };
  }, 'INTERNAL'),
  'mount: not installed': failure(away('mount'), 'FAILED_PRECONDITION'),
  'mount: refuses': failure(fails('mount', 'fails', '*', '*'), 'INTERNAL', XFS),
  'mount: says that it has': failure(fails('mount', 'lies', '*', '*'), 'INTERNAL', BTRFS),
};

/** blockdev is needed, whatever somebody else has left the loop device to be. */
function readOnlyBy(act: 'fails' | 'lies'): Failure['arrange'] {
  return (volumeId) => {
    const losetup = set({ at: 'losetup', act: 'after', on: `--find *${volumeId}*` });
    return async () => {
      await losetup.reached();
      for (const loop of loopsOf(volumeId)) execFileSync('blockdev', ['--setrw', `/dev/${loop.split('/')[3]}`]);
      set({ at: 'blockdev', act, on: `--setro *${volumeId}*` });
      losetup.release();
    };
  };
}

/** A file system of one page, full: a file can be made there, and nothing be written to it. */
function fillDisk(folder: string): undefined {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'small', folder]);
  mkdirSync(path.join(folder, 'globalmount'));
  writeFileSync(path.join(folder, 'full'), Buffer.alloc(4096, 1));
  usual.push(() => execFileSync('umount', [folder]));
}

function backingFileOf({ stage }: Pod): string {
  const { volumeId, volumeContext } = stage;
  const rds = path.join(path.dirname(node.kubeletDir), 'rds', 'files');
  return path.join(rds, volumeContext['volumePath'] ?? '', `${volumeId}.img`);
}

suite('a stage that fails undoes what it did', () => {
  it.each(Object.entries(FAILURES))('%s', async (_name, { capability, arrange, code, halfMade }) => {
    const volume = await createPodVolume(driver, capability);
    const { volumeId } = volume;
    const pod = volume.on(node);
    const meanwhile = arrange(volumeId, pod);
    const [ended] = await Promise.all([codeOf(node.csi.stage(pod.stage)), meanwhile?.()]);
    expect(ended).toBe(code);
    expect(mountsOf(volumeId).filter((place) => !pod.stagingTargetPath.startsWith(`${place}/`))).toEqual([]);
    expect(loopsOf(volumeId)).toEqual([]);
    expect(readdirSync(pod.stagingTargetPath)).toEqual([]);
    // A device that may be half of a file system is known for what it is, also on the next try.
    const left = filesOf(volumeId, node).filter((file) => !file.endsWith('/full'));
    expect(left.map((file) => path.basename(file))).toEqual(halfMade ? [`${volumeId}.formatting`] : []);

    asUsual();
    // What was found on it stays for ever: only here it goes, by hand.
    if (code === 'FAILED_PRECONDITION')
      for (const size of ['0', '512M']) execFileSync('truncate', ['-s', size, backingFileOf(pod)]);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('connecting: tries again until it is told to unstage, and leaves nothing then', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    set({ at: 'losetup', act: 'fails', on: `--find *${volume.volumeId}*` });
    const error = await errorOf(node.csi.stage(pod.stage, 3_000));
    expect([status[error.code], error.details]).toEqual(['ABORTED', expect.stringContaining('the test wants it')]);
    await node.csi.unstage(pod.unstage);
    expect(filesOf(volume.volumeId, node)).toEqual([]);
    asUsual();
    await node.csi.stage(pod.stage);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });
});

suite('a stage that fails leaves alone what was there before it', () => {
  it.each<[string, Failure['capability'], Failure['capability'], Failure['arrange'], string]>([
    ['mount', EXT4, EXT4, fails('mount', 'fails', '*', '*'), 'INTERNAL'],
    ['its note', blockOf(), blockOf(), fails('rename', 'fails', '*/stages/', ''), 'INTERNAL'],
    ['nothing but the way: a device for readers alone', blockOf(), READERS, () => undefined, 'ALREADY_EXISTS'],
    ['nothing but the way: a device under a file system', EXT4, blockOf(), () => undefined, 'ALREADY_EXISTS'],
  ])('at another staging path, in use: %s', async (_name, first, second, arrange, code) => {
    const nqnPrefix = 'nqn.2001-03.com.example:other';
    const volume = await createPodVolume(driver, first, undefined, { nqnPrefix });
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const isBlock = first.accessType.$case === 'block';
    const file = openSync(isBlock ? pod.targetPath : path.join(pod.targetPath, 'log'), isBlock ? 'r+' : 'w');
    usual.push(() => closeSync(file));
    writeSync(file, 'before');
    const before = everythingOf(volume.volumeId);

    const stagingTargetPath = path.join(path.dirname(pod.stagingTargetPath), 'elsewhere');
    mkdirSync(stagingTargetPath);
    void arrange(volume.volumeId, pod);
    const elsewhere = { ...pod.stage, stagingTargetPath, volumeCapability: second };
    expect(await codeOf(node.csi.stage(elsewhere))).toBe(code);
    expect(withoutTimes(everythingOf(volume.volumeId))).toEqual(withoutTimes(before));
    expect(readdirSync(stagingTargetPath)).toEqual([]);
    writeSync(file, ' and after');
    asUsual();
    // Found by the volume alone, though its NQN is not the node's own way.
    const { volumeCondition } = await node.csi.stats({ volumeId: volume.volumeId, volumePath: pod.targetPath });
    expect(volumeCondition?.abnormal).toBe(false);
    rmSync(stagingTargetPath, { recursive: true });
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('a connection and its note, without the mount', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    execFileSync('umount', [pod.stagingTargetPath]);
    const noteFile = `${pod.stagingTargetPath}.rds-csi.json`;
    const { mountedBy: _mountedBy, ...before } = JSON.parse(readFileSync(noteFile, 'utf8'));
    const loops = loopsOf(volume.volumeId);
    set({ at: 'mount', act: 'fails', on: `*${volume.volumeId}*` });
    expect(await codeOf(node.csi.stage(pod.stage))).toBe('INTERNAL');
    asUsual();
    expect(loopsOf(volume.volumeId)).toEqual(loops);
    expect(JSON.parse(readFileSync(noteFile, 'utf8'))).toEqual(before);
    await node.csi.unstage(pod.unstage);
    expect([loopsOf(volume.volumeId), filesOf(volume.volumeId, node)]).toEqual([[], []]);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('a connection whose note is gone', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    execFileSync('umount', [pod.stagingTargetPath]);
    for (const file of filesOf(volume.volumeId, node).filter((each) => !each.includes('/nodes/'))) rmSync(file);
    const before = everythingOf(volume.volumeId);
    set({ at: 'mount', act: 'fails', on: `*${volume.volumeId}*` });
    expect(await codeOf(node.csi.stage(pod.stage))).toBe('INTERNAL');
    asUsual();
    expect(everythingOf(volume.volumeId)).toEqual(before);
    await node.csi.stage(pod.stage);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it.each([
    ['ext4', EXT4],
    ['xfs', XFS],
    ['btrfs', BTRFS],
    ['raw block', blockOf()],
  ])('a staged %s with a writer on it: OK and untouched, and no program is run for it', async (_name, capability) => {
    const volume = await createPodVolume(driver, capability);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const writer = startWriter(capability.accessType.$case === 'mount' ? `${pod.targetPath}/log` : pod.targetPath);
    await writer.goesOn();
    const before = everythingOf(volume.volumeId);
    for (const at of [
      'losetup',
      'blockdev',
      'blkid',
      'mkfs.ext4',
      'mkfs.xfs',
      'mkfs.btrfs',
      'mount',
      'umount',
    ] as const)
      set({ at, act: 'fails', on: `*${volume.volumeId}*` });
    await Promise.all([1, 2, 3].map(() => node.csi.stage(pod.stage)));
    await node.csi.publish(pod.publish);
    expect(everythingOf(volume.volumeId)).toEqual(before);
    await writer.goesOn();
    await writer.end();
    asUsual();
    await expect(volume.end(node)).resolves.toBeUndefined();
  });
});

/** The latest write moves: a note at another path may have been written and taken back. */
function withoutTimes(everything: object): unknown {
  return JSON.parse(
    JSON.stringify(everything, (key, value) =>
      key === 'files'
        ? value.map(([file, , content]: [string, number, unknown[]]) => [file, content?.[2] ?? ''])
        : value,
    ),
  );
}

/** Writes numbers, each synced, until it is told to end; an error of a write ends it too, and is told. */
function startWriter(file: string) {
  const script = `
    const fs = require('node:fs');
    const fd = fs.openSync(process.argv[1], fs.constants.O_RDWR | fs.constants.O_CREAT);
    for (let n = 0; ; n += 1) {
      fs.writeSync(fd, String(n).padStart(16), (n % 1024) * 16);
      fs.fsyncSync(fd);
      fs.writeSync(1, n + '\\n');
    }`;
  const writer = spawn(process.execPath, ['-e', script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(writer, 'exit');
  let written = 0;
  writer.stdout.on('data', (chunk: Buffer) => {
    written += chunk.toString().split('\n').length - 1;
  });
  usual.push(() => writer.kill('SIGKILL'));
  return {
    async goesOn() {
      const before = written;
      await waitFor(
        () => written > before + 20 && writer.exitCode === null,
        () => 'the writer does not go on',
      );
    },
    async end() {
      writer.kill('SIGKILL');
      await ended;
    },
  };
}

suite('unpublish never deletes a file', () => {
  const tree = (folder: string): void => {
    mkdirSync(path.join(folder, 'a', 'b'), { recursive: true });
    writeFileSync(path.join(folder, 'a', 'b', 'data'), 'precious');
  };
  const treeOf = (folder: string) => readFileSync(path.join(folder, 'a', 'b', 'data'), 'utf8');

  async function published(capability: Failure['capability'] = EXT4) {
    const volume = await createPodVolume(driver, capability);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    if (capability.accessType.$case === 'mount') tree(pod.targetPath);
    return { volume, pod };
  }

  it.each<[string, () => void, string]>([
    ['is not installed', () => takeAway('umount'), 'FAILED_PRECONDITION'],
    ['fails', () => void set({ at: 'umount', act: 'fails', on: '*' }), 'INTERNAL'],
    ['does nothing and says that it has', () => void set({ at: 'umount', act: 'lies', on: '*' }), 'INTERNAL'],
  ])('where umount %s, with one mount or two, nor does unstage', async (_name, arrange, code) => {
    const { volume, pod } = await published();
    for (const stacked of [false, true]) {
      if (stacked) execFileSync('mount', ['--bind', pod.stagingTargetPath, pod.targetPath]);
      const before = everythingOf(volume.volumeId);
      arrange();
      expect(await codeOf(node.csi.unpublish(pod.unpublish))).toBe(code);
      expect(await codeOf(node.csi.unstage(pod.unstage))).toBe(code);
      asUsual();
      expect(everythingOf(volume.volumeId)).toEqual(before);
      expect([treeOf(pod.targetPath), treeOf(pod.stagingTargetPath)]).toEqual(['precious', 'precious']);
    }
    await node.csi.unpublish(pod.unpublish);
    expect(treeOf(pod.stagingTargetPath)).toBe('precious');
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('with another volume mounted over it, or below it', async () => {
    const { volume, pod } = await published();
    const other = await published();
    for (const place of [pod.targetPath, path.join(pod.targetPath, 'a')]) {
      execFileSync('mount', ['--bind', other.pod.stagingTargetPath, place]);
      const before = everythingOf(volume.volumeId);
      expect(await codeOf(node.csi.unpublish(pod.unpublish))).toMatch(/^(FAILED_PRECONDITION|UNAVAILABLE)$/);
      expect(everythingOf(volume.volumeId)).toEqual(before);
      expect(treeOf(place)).toBe('precious');
      execFileSync('umount', [place]);
    }
    expect(treeOf(pod.targetPath)).toBe('precious');
    await expect(volume.end(node)).resolves.toBeUndefined();
    expect(treeOf(other.pod.targetPath)).toBe('precious');
    await expect(other.volume.end(node)).resolves.toBeUndefined();
  });

  it.each<[string, Failure['capability'], (target: string) => void, (target: string) => string]>([
    ['a tree of files in its target, not mounted', EXT4, tree, treeOf],
    [
      'a file in place of its device node',
      blockOf(),
      (target) => writeFileSync(target, 'precious'),
      (target) => readFileSync(target, 'utf8'),
    ],
  ])('with %s', async (_name, capability, put, read) => {
    const { volume, pod } = await published(capability);
    await node.csi.unpublish(pod.unpublish);
    expect(existsSync(pod.targetPath)).toBe(false);
    put(pod.targetPath);
    expect(await codeOf(node.csi.unpublish(pod.unpublish))).toBe('FAILED_PRECONDITION');
    expect(read(pod.targetPath)).toBe('precious');
    rmSync(pod.targetPath, { recursive: true });
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('that lay in the target before it was published over', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    tree(pod.targetPath);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    expect(existsSync(path.join(pod.targetPath, 'a'))).toBe(false);
    expect(await codeOf(node.csi.unpublish(pod.unpublish))).toBe('FAILED_PRECONDITION');
    expect(treeOf(pod.targetPath)).toBe('precious');
    rmSync(pod.targetPath, { recursive: true });
    await expect(volume.end(node)).resolves.toBeUndefined();
  });
});
