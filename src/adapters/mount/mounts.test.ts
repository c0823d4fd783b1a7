import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseMountinfo } from '../../domain/mountinfo';
import type { CommandResult } from '../process/port';
import { createMounts } from './mounts';

const ROOT = '1 0 8:1 / / rw - ext4 /dev/sda rw';
const OK: CommandResult = { exitCode: 0, stdout: '', stderr: '' };

let procRoot: string;
beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 'rds-csi-proc-'));
  mkdirSync(join(procRoot, 'self'));
});
afterEach(() => rmSync(procRoot, { recursive: true }));

function show(...lines: readonly string[]): void {
  writeFileSync(join(procRoot, 'self', 'mountinfo'), [ROOT, ...lines].join('\n'));
}

/** Over a mountinfo of the test's own; `act` is what each program does. */
function mountsWith(act: (command: string) => CommandResult, hangingLanes: readonly string[] = []) {
  const commands: string[] = [];
  const mounts = createMounts({
    procRoot,
    processes: {
      async run({ file, args }) {
        commands.push([file, ...args].join(' '));
        return act(file);
      },
      requireFree(lane) {
        if (hangingLanes.includes(lane)) throw new Fault('NodeTimeout', `umount still hangs: ${lane}`);
      },
    },
  });
  return { mounts, commands };
}

describe('unmount', () => {
  it('touches nothing but the mount', async () => {
    show('2 1 7:0 / /a rw - ext4 /dev/loop0 rw');
    const { mounts, commands } = mountsWith(() => {
      show();
      return OK;
    });
    await mounts.unmount('/a');
    expect(commands).toEqual(['umount -i --no-canonicalize -- /a']);
  });

  it('has nothing to do where nothing is mounted', async () => {
    show();
    const { mounts, commands } = mountsWith(() => OK);
    await mounts.unmount('/a');
    expect(commands).toEqual([]);
  });

  it('is not over while an earlier one still writes, though mountinfo has forgotten the mount', async () => {
    show();
    const { mounts } = mountsWith(() => OK, ['the mounts at /a']);
    await expect(mounts.unmount('/a')).rejects.toMatchObject({ kind: 'NodeTimeout' });
  });

  it('is no success where the mount is still there, whatever the tool says', async () => {
    show('2 1 7:0 / /a rw - ext4 /dev/loop0 rw');
    await expect(mountsWith(() => OK).mounts.unmount('/a')).rejects.toMatchObject({ kind: 'NodeToolFailed' });
  });

  it('is a success where the mount is gone, whatever the tool says', async () => {
    show('2 1 7:0 / /a rw - ext4 /dev/loop0 rw');
    const { mounts } = mountsWith(() => {
      show();
      return { exitCode: 32, stdout: '', stderr: 'umount: /a: not mounted.' };
    });
    await expect(mounts.unmount('/a')).resolves.toBeUndefined();
  });

  it.each(['umount: /a: target is busy.', "umount: can't unmount /a: Device or resource busy"])(
    '%s',
    async (stderr) => {
      show('2 1 7:0 / /a rw - ext4 /dev/loop0 rw');
      const { mounts } = mountsWith(() => ({ exitCode: 32, stdout: '', stderr }));
      await expect(mounts.unmount('/a')).rejects.toMatchObject({ kind: 'MountBusy' });
    },
  );
});

describe('bind', () => {
  it('repeats the options of the mount when it makes it read-only', async () => {
    show('2 1 7:0 / /a rw,nosuid,noatime - ext4 /dev/loop0 rw');
    let options = 'rw,nosuid,noatime';
    const { mounts, commands } = mountsWith(() => {
      show('2 1 7:0 / /a rw,nosuid,noatime - ext4 /dev/loop0 rw', `3 1 7:0 /x /b ${options} - ext4 /dev/loop0 rw`);
      options = 'ro,nosuid,noatime';
      return OK;
    });
    await mounts.bind({ source: '/a/x', target: '/b', readOnly: true });
    expect(commands).toEqual(['mount -i --bind -- /a/x /b', 'mount -i -o remount,bind,ro,nosuid,noatime -- /b']);
  });

  it.each([
    ['another device', '3 1 7:1 /x /b rw - ext4 /dev/loop1 rw'],
    ['another part', '3 1 7:0 /y /b rw - ext4 /dev/loop0 rw'],
  ])('is undone where %s was bound', async (_name, line) => {
    const source = '2 1 7:0 / /a rw - ext4 /dev/loop0 rw';
    show(source);
    const { mounts, commands } = mountsWith((file) => {
      if (file === 'mount') show(source, line);
      else show(source);
      return OK;
    });
    const bind = mounts.bind({ source: '/a/x', target: '/b', readOnly: false });
    await expect(bind).rejects.toMatchObject({ kind: 'NodeToolFailed' });
    expect(commands.at(-1)).toBe('umount -i --no-canonicalize -- /b');
  });
});

describe('list', () => {
  it('names a line that it cannot read', async () => {
    show('nonsense');
    await expect(mountsWith(() => OK).mounts.list()).rejects.toMatchObject({
      kind: 'NodeToolFailed',
      message: expect.stringContaining('"nonsense"'),
    });
  });

  it('says that there is no procfs', async () => {
    await expect(mountsWith(() => OK).mounts.list()).rejects.toMatchObject({ kind: 'NodeToolFailed' });
  });
});

describe('stats', () => {
  const line = '2 1 7:0 / /a rw - ext4 /dev/loop0 rw';

  it('are exact beyond 2^53', async () => {
    show(line);
    const { mounts } = mountsWith(() => ({ ...OK, stdout: '4096 9007199254740993 3 2 5 4\n' }));
    expect(await mounts.stats('/a')).toEqual({
      totalBytes: 9_007_199_254_740_993n * 4096n,
      freeBytes: 3n * 4096n,
      availableBytes: 2n * 4096n,
      totalInodes: 5n,
      freeInodes: 4n,
    });
  });

  it('are asked for once at a time', async () => {
    show(line);
    const { mounts, commands } = mountsWith(() => ({ ...OK, stdout: '1 1 1 1 1 1\n' }));
    await Promise.all([mounts.stats('/a'), mounts.stats('/a')]);
    expect(commands).toHaveLength(1);
    await mounts.stats('/a');
    expect(commands).toHaveLength(2);
  });

  it.each(['', '1 2 3\n', '1 1 1 1 1 x\n'])('%j is no answer', async (stdout) => {
    show(line);
    await expect(mountsWith(() => ({ ...OK, stdout })).mounts.stats('/a')).rejects.toMatchObject({
      kind: 'NodeToolFailed',
    });
  });
});

describe('hasDevice', () => {
  const mountOf = (line: string) => parseMountinfo(`${line}\n`)[0];
  const sysWith = (...devices: readonly string[]) => {
    for (const device of ['8:1 sda', ...devices]) {
      const [numbers, name] = device.split(' ');
      mkdirSync(join(procRoot, 'dev', 'block', numbers ?? ''), { recursive: true });
      mkdirSync(join(procRoot, 'class', 'block', name ?? ''), { recursive: true });
    }
    return createMounts({ processes: idle, sysRoot: procRoot });
  };
  const idle = { run: () => Promise.resolve(OK), requireFree() {} };

  it.each([
    ['a device that is there', '2 1 259:1 / /a rw - ext4 /dev/nvme0n1 rw', ['259:1 nvme0n1'], true],
    ['one that is gone', '2 1 259:1 / /a rw - ext4 /dev/nvme0n1 rw', ['259:2 nvme0n2'], false],
    ['btrfs, which has a number of its own', '2 1 0:45 / /a rw - btrfs /dev/nvme0n1 rw', ['259:1 nvme0n1'], true],
    ['btrfs, gone', '2 1 0:45 / /a rw - btrfs /dev/nvme0n1 rw', ['259:2 nvme0n2'], false],
    ['btrfs by another name', '2 1 0:45 / /a rw - btrfs /dev/mapper/vg-root rw', ['254:0 dm-0'], true],
    ['what is on no device', '2 1 0:40 / /a rw - tmpfs tmpfs rw', [], true],
  ])('%s', async (_fact, line, devices, expected) => {
    const mount = mountOf(line);
    if (!mount) throw new Error(`no mount: ${line}`);
    expect(await sysWith(...devices).hasDevice(mount)).toBe(expected);
  });

  it('says nothing where sysfs is not there', async () => {
    const mount = mountOf('2 1 259:1 / /a rw - ext4 /dev/nvme0n1 rw');
    if (!mount) throw new Error('no mount');
    const mounts = createMounts({ processes: idle, sysRoot: join(procRoot, 'nowhere') });
    await expect(mounts.hasDevice(mount)).rejects.toThrow(/nowhere/);
  });
});
