import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { deviceNumbersOf } from '../../domain/nvme-sysfs';
import { scanDevices } from './device-scan';

/** A machine's tables in a folder. Device nodes are files whose text says what they are: only root could make real ones. */
class FakeMachine {
  readonly root = realpathSync(mkdtempSync(path.join(tmpdir(), 'machine-')));
  readonly looked: string[] = [];
  readonly unreadable = new Set<string>();
  readonly loops: string[] = [];
  losetup = () => this.loops.join('');

  constructor() {
    this.write('sys/devices/subsys/nvme1n1/dev', '259:3\n');
    this.write('sys/devices/subsys/nvme1n1/nvme1n1p1/partition', '1\n');
    this.write('sys/devices/subsys/nvme1n1/nvme1n1p1/dev', '259:4\n');
    this.link('sys/dev/block/259:3', this.at('sys/devices/subsys/nvme1n1'));
    this.write('sys/class/nvme-generic/ng1n1/dev', '240:1\n');
    mkdirSync(this.at('sys/block'), { recursive: true });
    this.write('proc/self/mountinfo', '');
    this.link('proc/self/ns/pid', 'pid:[4026531836]');
    this.process(1);
    mkdirSync(this.at('kubelet/pods'), { recursive: true });
  }

  at(file: string): string {
    return path.join(this.root, file);
  }

  write(file: string, text: string): string {
    mkdirSync(path.dirname(this.at(file)), { recursive: true });
    writeFileSync(this.at(file), text);
    return this.at(file);
  }

  link(file: string, text: string): void {
    mkdirSync(path.dirname(this.at(file)), { recursive: true });
    rmSync(this.at(file), { force: true });
    symlinkSync(text, this.at(file));
  }

  process(pid: number, files: Readonly<Record<string, string>> = {}, thread = pid): void {
    this.write(`proc/${pid}/comm`, 'postgres\n');
    this.write(`proc/${pid}/maps`, '');
    mkdirSync(this.at(`proc/${pid}/task/${thread}/fd`), { recursive: true });
    for (const [file, text] of Object.entries(files)) this.link(`proc/${pid}/task/${thread}/fd/${file}`, text);
  }

  /** A loop device on a file, with the path that the kernel has of it. */
  loop(name: string, backing: string, file = backing): void {
    this.write(`sys/block/${name}/loop/backing_file`, `${file}\n`);
    const { dev, ino } = lstatSync(backing, { bigint: true });
    const { major, minor } = deviceNumbersOf(dev);
    this.loops.push(`/dev/${name}      ${major}:${minor}   ${ino}\n`);
  }

  mount(root: string, place: string, fileSystem: string): void {
    const before = readFileSync(this.at('proc/self/mountinfo'), 'utf8');
    const line = `30 1 0:5 ${root} ${this.at(place).replaceAll(' ', '\\040')} rw shared:2 - ${fileSystem} ${fileSystem} rw\n`;
    this.write('proc/self/mountinfo', `${before}${line}`);
  }

  scan(devices: readonly string[] = ['259:3']) {
    return scanDevices({
      sysRoot: this.at('sys'),
      procRoot: this.at('proc'),
      kubeletDir: this.at('kubelet'),
      devices,
      listLoops: () => this.losetup(),
      nodeAt: (file) => {
        this.looked.push(file);
        if (this.unreadable.has(file)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
        return /^[bc][0-9]+:[0-9]+$/.exec(readFileSync(file, 'utf8'))?.[0];
      },
    });
  }
}

const CSI = 'kubelet/plugins/kubernetes.io/csi/volumeDevices';
let machine: FakeMachine;

beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => rmSync(machine.root, { recursive: true, force: true }));

describe('scanDevices', () => {
  it('finds nobody where there is nobody', () => {
    machine.process(101, { 0: machine.write('etc/passwd', 'root'), 1: machine.write('dev/other', 'b259:9') });
    machine.write(`${CSI}/publish/pv/uid`, 'b259:9');
    machine.loop('loop7', machine.write('snap.img', 'a file'));
    machine.loop('loop8', machine.write('proc/1/root/host/snap.img', 'a file'), '/host/snap.img');
    machine.write('sys/block/loop9/size', '0\n');
    expect(machine.scan()).toEqual({ users: { '259:3': [] }, unknown: [] });
  });

  it.each<[string, () => void, RegExp]>([
    [
      'open in a process, under whatever name',
      () => machine.process(101, { 7: machine.write('x/disk', 'b259:3') }),
      /postgres\[101\] has it open/,
    ],
    [
      'open in a thread with files of its own',
      () => machine.process(101, { 7: machine.write('x/disk', 'b259:3') }, 102),
      /postgres\[101\] has it open/,
    ],
    ['a partition of it open', () => machine.process(101, { 7: machine.write('x/part', 'b259:4') }), /has it open/],
    ['its character device open', () => machine.process(101, { 7: machine.write('x/ng', 'c240:1') }), /has it open/],
    [
      'mapped, and closed since',
      () => {
        machine.process(101);
        machine.write('proc/101/maps', '00a000-00b000 rw-s 00000000 00:05 1234                       /dev/nvme1n1\n');
        machine.link('proc/101/map_files/a000-b000', machine.write('x/disk', 'b259:3'));
      },
      /postgres\[101\] has it in its memory/,
    ],
    ['under a loop device', () => machine.loop('loop7', machine.write('x/disk', 'b259:3')), /loop7 is on .*x\/disk/],
    [
      "under a loop device whose path is the machine's",
      () => machine.loop('loop7', machine.write('proc/1/root/host/disk', 'b259:3'), '/host/disk'),
      /loop7 is on \/host\/disk/,
    ],
    [
      'published by the kubelet, for a plugin',
      () => machine.write(`${CSI}/publish/pv/uid`, 'b259:3'),
      /published at .*publish\/pv\/uid/,
    ],
    [
      'published in the folder of a pod',
      () => machine.write('kubelet/pods/uid/volumeDevices/csi/pv', 'b259:3'),
      /published at .*pods\/uid/,
    ],
    [
      'published by a bind',
      () => {
        machine.write(`${CSI}/pv/dev/uid 1`, 'b259:3');
        machine.mount('/var/lib/node', `${CSI}/pv/dev/uid 1`, 'ext4');
      },
      /published at .*dev\/uid 1/,
    ],
    [
      'bound out of devtmpfs to anywhere',
      () => {
        machine.write('anywhere/disk 1', 'b259:3');
        machine.mount('/nvme1n1', 'anywhere/disk 1', 'devtmpfs');
      },
      /bound to .*anywhere\/disk 1/,
    ],
  ])('finds it %s', (_what, use, says) => {
    use();
    expect(machine.scan()).toEqual({ users: { '259:3': [expect.stringMatching(says)] }, unknown: [] });
  });

  it.each<[string, () => void, RegExp]>([
    [
      'the process sees a part of the machine only',
      () => machine.link('proc/self/ns/pid', 'pid:[4026532001]'),
      /needs hostPID/,
    ],
    ['processes are hidden', () => rmSync(machine.at('proc/1'), { recursive: true }), /process 1 is hidden from here/],
    [
      'there is no procfs',
      () => rmSync(machine.at('proc'), { recursive: true }),
      /the processes cannot be read: ENOENT/,
    ],
    [
      'an open file may not be looked at',
      () => {
        machine.process(101, { 7: '/x/secret' });
        machine.unreadable.add(machine.at('proc/101/task/101/fd/7'));
      },
      /a file of .*101\/fd cannot be read: EACCES/,
    ],
    [
      'a loop device has a file without a name',
      () => machine.loop('loop7', machine.write('x/other', ''), '/x/disk (deleted)'),
      /loop7 is on \/x\/disk \(deleted\)/,
    ],
    [
      'a loop device has a file that nobody here sees',
      () => machine.loop('loop7', machine.write('x/disk', ''), '/elsewhere/disk'),
      /loop7 is on \/elsewhere\/disk, which cannot be looked at/,
    ],
    [
      'a loop device of a container has a path that names another device here',
      () => machine.loop('loop7', machine.write('container/dev/xvda', 'b259:3'), machine.write('dev/xvda', 'b202:0')),
      /loop7 is on .*\/dev\/xvda, which cannot be looked at/,
    ],
    [
      'a loop device of a container has a path that names a file here',
      () => machine.loop('loop7', machine.write('container/disk', 'b259:3'), machine.write('disk', 'a file')),
      /loop7 is on .*\/disk, which cannot be looked at/,
    ],
    [
      'losetup tells nothing of a loop device',
      () => machine.write('sys/block/loop7/loop/backing_file', `${machine.write('x/file', '')}\n`),
      /loop7 is on .*\/x\/file, which cannot be looked at/,
    ],
    [
      'losetup fails',
      () => {
        machine.loop('loop7', machine.write('x/file', ''));
        machine.losetup = () => {
          throw Object.assign(new Error('spawn losetup'), { code: 'ENOENT' });
        };
      },
      /the table of losetup cannot be read/,
    ],
    [
      'the kubelet has no directory',
      () => rmSync(machine.at('kubelet'), { recursive: true }),
      /the kubelet's directory .* cannot be read: ENOENT/,
    ],
    [
      'the folder of published devices is a mount',
      () => {
        machine.write(`${CSI}/publish/pv/uid`, 'nothing');
        machine.mount('/', CSI, 'nfs4');
      },
      /is a mount point/,
    ],
    [
      'the folder of published devices is a link',
      () => machine.link(CSI, machine.at('kubelet/pods')),
      /is no directory/,
    ],
    ['the mounts cannot be read', () => rmSync(machine.at('proc/self/mountinfo')), /the mounts cannot be read/],
  ])('does not know where %s', (_what, blind, says) => {
    blind();
    expect(machine.scan().unknown).toContainEqual(expect.stringMatching(says));
  });

  it('does not know of a device that the kernel has no table of', () => {
    expect(machine.scan(['259:77'])).toEqual({
      users: { '259:77': [] },
      unknown: ["the kernel's table of 259:77 cannot be read: ENOENT"],
    });
  });

  it('looks at nothing that is no path, and not below what is mounted', () => {
    machine.process(101, {
      3: 'socket:[1]',
      4: 'pipe:[2]',
      5: 'anon_inode:[eventfd]',
      6: 'anon_inode:inotify',
      7: 'mnt:[3]',
    });
    machine.write(`${CSI}/publish/mounted/below`, 'b259:3');
    machine.mount('/', `${CSI}/publish/mounted`, 'nfs4');
    machine.unreadable.add(machine.at(`${CSI}/publish/mounted`));
    machine.scan();
    expect(machine.looked).toEqual([machine.at(`${CSI}/publish/mounted`)]);
  });

  it('takes what goes away while it is looked at for gone', () => {
    machine.process(101, { 7: machine.at('not/there') });
    expect(machine.scan()).toEqual({ users: { '259:3': [] }, unknown: [] });
  });

  it('tells devices apart', () => {
    machine.write('sys/devices/subsys/nvme2n1/dev', '259:8\n');
    machine.link('sys/dev/block/259:8', machine.at('sys/devices/subsys/nvme2n1'));
    machine.process(101, { 7: machine.write('x/disk', 'b259:8') });
    const { users } = machine.scan(['259:3', '259:8']);
    expect(users).toEqual({ '259:3': [], '259:8': ['postgres[101] has it open'] });
  });
});
