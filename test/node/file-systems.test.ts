import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createFileSystems } from '../../src/adapters/mount/file-systems';
import { createMounts } from '../../src/adapters/mount/mounts';
import { createProcesses } from '../../src/adapters/process/processes';
import { Fault } from '../../src/domain/fault';
import type { FileSystem } from '../../src/domain/file-system';
import { createNodeLab, describeAsRoot, hasCapability, itWith, type Loop, type NodeLab } from '../kit/loop';

const MIB = 1024 * 1024;
const CAP_SYS_RESOURCE = 24;
const FILE_SYSTEMS: readonly FileSystem[] = ['ext4', 'xfs', 'ext3', 'btrfs'];

const processes = createProcesses();
const mounts = createMounts({ processes });
const fileSystems = createFileSystems({ processes, mounts });

let lab: NodeLab;
beforeEach(() => {
  lab = createNodeLab();
});
afterEach(() => lab.clean());

/** A case for each file system that this machine can make. */
function eachFileSystem(title: string, act: (fileSystem: FileSystem) => Promise<void>): void {
  for (const fileSystem of FILE_SYSTEMS)
    itWith(`mkfs.${fileSystem}`)(`${fileSystem}: ${title}`, () => act(fileSystem), 60_000);
}

async function faultOf(act: Promise<unknown>): Promise<unknown> {
  return await act.then(
    () => 'no fault',
    (fault: unknown) => fault,
  );
}

const requireSame = () => Promise.resolve();
const format = (loop: Loop, fileSystem: FileSystem) =>
  fileSystems.format({ devicePath: loop.path, fileSystem, options: [], resumes: false, requireSame });
const mount = (loop: Loop, mountPoint: string, fileSystem: FileSystem, readOnly = false) =>
  mounts.mountDevice({ devicePath: loop.path, mountPoint, fileSystem, options: [], readOnly });

function writeSynced(file: string, content: Buffer | string): void {
  const fd = openSync(file, 'w');
  writeSync(fd, Buffer.from(content));
  fsyncSync(fd);
  closeSync(fd);
}

function writeAt(loop: Loop, offset: number, content: Buffer | string): void {
  const fd = openSync(loop.path, 'r+');
  writeSync(fd, Buffer.from(content), 0, undefined, offset);
  fsyncSync(fd);
  closeSync(fd);
}

const checksumOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

describeAsRoot('file systems', () => {
  eachFileSystem('format, mount, write, grow online, mount again', async (fileSystem) => {
    const loop = lab.loop(400 * MIB);
    const mountPoint = lab.directory('a b');
    expect(await fileSystems.inspect(loop.path)).toEqual({ kind: 'blank' });
    await format(loop, fileSystem);
    expect(await fileSystems.inspect(loop.path)).toEqual({ kind: 'file-system', type: fileSystem });
    await mount(loop, mountPoint, fileSystem);
    const file = join(mountPoint, 'data');
    writeSynced(file, Buffer.alloc(MIB, 'x'));
    const checksum = checksumOf(file);
    const before = await mounts.stats(mountPoint);

    loop.grow(700 * MIB);
    expect(await fileSystems.sizeOf(loop.path)).toBe(BigInt(700 * MIB));
    const isExt = fileSystem.startsWith('ext');
    const grow = () => fileSystems.grow({ devicePath: loop.path, mountPoint, fileSystem });
    if (isExt && !hasCapability(CAP_SYS_RESOURCE)) {
      // Not on every machine: the kernel does not let a process without it grow a mounted ext file system.
      expect(await faultOf(grow())).toMatchObject({
        kind: 'NodeToolFailed',
        message: expect.stringContaining('CAP_SYS_RESOURCE'),
      });
    } else {
      await grow();
      await grow();
      expect((await mounts.stats(mountPoint)).totalBytes - before.totalBytes).toBeGreaterThan(BigInt(270 * MIB));
    }
    expect(checksumOf(file)).toBe(checksum);

    await mounts.unmount(mountPoint);
    await fileSystems.requireUnused(loop.path);
    await mount(loop, mountPoint, fileSystem, true);
    expect(checksumOf(file)).toBe(checksum);
    expect(() => writeFileSync(file, '')).toThrow('EROFS');
  });

  eachFileSystem('is never formatted again', async (fileSystem) => {
    const loop = lab.loop(400 * MIB);
    await format(loop, fileSystem);
    for (const resumes of [false, true]) {
      const act = fileSystems.format({ devicePath: loop.path, fileSystem: 'ext4', options: [], resumes, requireSame });
      expect(await faultOf(act)).toMatchObject({
        kind: 'DeviceNotBlank',
        message: `${loop.path} is not formatted, it holds a file system (${fileSystem})`,
      });
    }
  });

  eachFileSystem('a copy of a dirty volume holds what was synced, beside the first', async (fileSystem) => {
    const loop = lab.loop(400 * MIB);
    const mountPoint = lab.directory('first');
    await format(loop, fileSystem);
    await mount(loop, mountPoint, fileSystem);
    for (let index = 0; index < 50; index += 1) writeSynced(join(mountPoint, `file-${index}`), `content ${index}`);
    const copy = join(lab.folder, 'copy.img');
    copyFileSync(loop.file, copy);
    // btrfs has no nouuid: a second device of the same file system would be taken for the first.
    if (fileSystem === 'btrfs') await mounts.unmount(mountPoint);
    if (fileSystem === 'btrfs') loop.detach();
    const second = lab.attach(copy);
    const secondMount = lab.directory('second');
    await mount(second, secondMount, fileSystem);
    for (let index = 0; index < 50; index += 1) {
      expect(readFileSync(join(secondMount, `file-${index}`), 'utf8')).toBe(`content ${index}`);
    }
  });

  it('says what is mounted instead of what shall grow', async () => {
    const [loop, other] = [lab.loop(16 * MIB), lab.loop(16 * MIB)];
    const mountPoint = lab.directory('m');
    const grow = () => fileSystems.grow({ devicePath: other.path, mountPoint, fileSystem: 'ext4' });
    expect(await faultOf(grow())).toMatchObject({
      kind: 'DeviceMismatch',
      message: expect.stringContaining('nothing is mounted'),
    });
    await format(loop, 'ext4');
    await mount(loop, mountPoint, 'ext4');
    expect(await faultOf(grow())).toMatchObject({
      kind: 'DeviceMismatch',
      message: expect.stringContaining(loop.path),
    });
  });

  it('refuses a device in use, naming where it is mounted', async () => {
    const loop = lab.loop(16 * MIB);
    const mountPoint = lab.directory('m');
    await format(loop, 'ext4');
    await mount(loop, mountPoint, 'ext4');
    const busy = { kind: 'MountBusy', message: expect.stringContaining(`mounted at ${mountPoint}, as `) };
    expect(await faultOf(fileSystems.requireUnused(loop.path))).toMatchObject(busy);
    expect(await faultOf(format(loop, 'ext4'))).toMatchObject(busy);
  });
});

/** Name, what is put on the device, what is found. */
const CONTENTS: readonly (readonly [string, (loop: Loop) => void, object])[] = [
  [
    'swap',
    (loop) => void execFileSync('mkswap', [loop.path], { stdio: 'ignore' }),
    { kind: 'other', found: 'a signature of swap' },
  ],
  [
    'an ext2',
    (loop) => void execFileSync('mkfs.ext4', ['-q', '-t', 'ext2', loop.path], { stdio: 'ignore' }),
    { kind: 'file-system', type: 'ext2' },
  ],
  ['a LUKS1 header', (loop) => writeAt(loop, 0, luksHeader(1)), { kind: 'other', found: 'a signature of crypto_LUKS' }],
  ['a LUKS2 header', (loop) => writeAt(loop, 0, luksHeader(2)), { kind: 'other', found: 'a signature of crypto_LUKS' }],
  ['the second LUKS2 header alone', (loop) => writeAt(loop, 4 * MIB, 'SKUL\xba\xbe'), { kind: 'unknown' }],
  [
    'a partition table (MBR)',
    (loop) => writeAt(loop, 0, masterBootRecord(0x83)),
    { kind: 'other', found: 'a partition table (dos)' },
  ],
  ['a partition table (GPT)', (loop) => writeGpt(loop, 'both'), { kind: 'other', found: 'a partition table (gpt)' }],
  ['the copy of a GPT alone', (loop) => writeGpt(loop, 'backup'), { kind: 'other', found: 'a partition table (gpt)' }],
  [
    'half a superblock of ext4: its magic',
    (loop) => writeAt(loop, 1080, Buffer.from([0x53, 0xef])),
    { kind: 'file-system', type: 'ext2' },
  ],
  ['half a superblock of xfs: its magic', (loop) => writeAt(loop, 0, 'XFSB'), { kind: 'unknown' }],
  [
    'half a superblock of btrfs: its magic',
    (loop) => writeAt(loop, 65_600, '_BHRfS_M'),
    { kind: expect.not.stringContaining('blank') },
  ],
  ['an xfs whose mkfs was cut off', writeUnfinishedXfs, { kind: 'unknown', found: expect.stringContaining('mkfs') }],
  [
    'one byte in the middle',
    (loop) => writeAt(loop, 31 * MIB + 7, 'x'),
    { kind: 'unknown', found: 'unknown data at offset 32505863: 78000000000000000000000000000000' },
  ],
  [
    'one byte at the end',
    (loop) => writeAt(loop, 64 * MIB - 1, 'x'),
    { kind: 'unknown', found: 'unknown data at offset 67108863: 78' },
  ],
  [
    'md 1.0 at the end',
    (loop) => writeAt(loop, 64 * MIB - 8192, Buffer.from([0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0])),
    { kind: expect.not.stringContaining('blank') },
  ],
];

function luksHeader(version: number): Buffer {
  const header = Buffer.alloc(4096);
  header.write('LUKS\xba\xbe', 0, 'latin1');
  header.writeUInt16BE(version, 6);
  return header;
}

function masterBootRecord(type: number): Buffer {
  const record = Buffer.alloc(512);
  record[446 + 4] = type;
  record.writeUInt32LE(type === 0xee ? 1 : 2048, 446 + 8);
  record.writeUInt32LE(100_000, 446 + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

/** A GPT without partitions, by the UEFI specification. */
function writeGpt(loop: Loop, which: 'both' | 'backup'): void {
  const sectors = (64 * MIB) / 512;
  const entries = Buffer.alloc(128 * 128);
  const header = (own: number, other: number, table: number): Buffer => {
    const sector = Buffer.alloc(512);
    sector.write('EFI PART', 0, 'latin1');
    sector.writeUInt32LE(0x00010000, 8);
    sector.writeUInt32LE(92, 12);
    sector.writeBigUInt64LE(BigInt(own), 24);
    sector.writeBigUInt64LE(BigInt(other), 32);
    sector.writeBigUInt64LE(34n, 40);
    sector.writeBigUInt64LE(BigInt(sectors - 34), 48);
    sector.fill(7, 56, 72);
    sector.writeBigUInt64LE(BigInt(table), 72);
    sector.writeUInt32LE(128, 80);
    sector.writeUInt32LE(128, 84);
    sector.writeUInt32LE(crc32(entries), 88);
    sector.writeUInt32LE(crc32(sector.subarray(0, 92)), 16);
    return sector;
  };
  writeAt(loop, 0, masterBootRecord(0xee));
  if (which === 'both') writeAt(loop, 512, header(1, sectors - 1, 2));
  writeAt(loop, (sectors - 1) * 512, header(sectors - 1, 1, sectors - 33));
}

/** As a mkfs.xfs leaves it that was killed on the way: `sb_inprogress`, byte 126, is still set. */
function writeUnfinishedXfs(loop: Loop): void {
  truncateSync(loop.file, 400 * MIB);
  execFileSync('losetup', ['--set-capacity', loop.path]);
  execFileSync('mkfs.xfs', ['-q', '-m', 'crc=0', loop.path], { stdio: 'ignore' });
  writeAt(loop, 126, Buffer.from([1]));
}

describeAsRoot('what is on a device', () => {
  it.each(CONTENTS)('%s: not blank, not formatted', async (_name, put, content) => {
    const loop = lab.loop(64 * MIB);
    put(loop);
    const before = checksumOf(loop.file);
    expect(await fileSystems.inspect(loop.path)).toMatchObject(content);
    expect(await faultOf(format(loop, 'ext4'))).toMatchObject({ kind: 'DeviceNotBlank' });
    expect(checksumOf(loop.file)).toBe(before);
  });

  it.each([
    ['all of it', 0],
    ['its end', 32 * MIB],
  ])('cannot be read, %s: an error, not blank', async (_name, left) => {
    const loop = lab.loop(64 * MIB);
    truncateSync(loop.file, left);
    const fault = { kind: 'NodeToolFailed', message: expect.stringContaining('cannot be read') };
    expect(await faultOf(fileSystems.inspect(loop.path))).toMatchObject(fault);
    expect(await faultOf(format(loop, 'ext4'))).toMatchObject(fault);
  });

  it.each([
    ['no device', '/dev/no-such-device'],
    ['a directory', '/'],
    ['a character device', '/dev/null'],
  ])('%s is an error', async (_name, path) =>
    expect(await faultOf(fileSystems.inspect(path))).toMatchObject({ kind: 'NodeToolFailed' }),
  );

  it('a device without a file behind it has no size', async () => {
    const loop = lab.loop(16 * MIB);
    loop.detach();
    expect(await faultOf(fileSystems.inspect(loop.path))).toMatchObject({ kind: 'NodeToolFailed' });
  });

  it('takes what its own interrupted format has left for its own, if told so', async () => {
    const loop = lab.loop(400 * MIB);
    writeUnfinishedXfs(loop);
    const resume = (fileSystem: FileSystem) =>
      fileSystems.format({ devicePath: loop.path, fileSystem, options: [], resumes: true, requireSame });
    await resume('xfs');
    expect(await fileSystems.inspect(loop.path)).toEqual({ kind: 'file-system', type: 'xfs' });
  });

  it('writes nothing if the device is another volume’s when all looks at it are over', async () => {
    const loop = lab.loop(64 * MIB);
    const requireSame = () => Promise.reject(new Fault('ConnectionLost', 'another one'));
    const format = { devicePath: loop.path, fileSystem: 'ext4', options: [], resumes: false, requireSame } as const;
    expect(await faultOf(fileSystems.format(format))).toMatchObject({ kind: 'ConnectionLost' });
    expect(await fileSystems.inspect(loop.path)).toEqual({ kind: 'blank' });
  });

  it('formats with the options of the volume', async () => {
    const loop = lab.loop(64 * MIB);
    const options = ['-E', 'lazy_itable_init=0', '-L', 'db', '-O', '^has_journal'];
    await fileSystems.format({ devicePath: loop.path, fileSystem: 'ext4', options, resumes: false, requireSame });
    const shown = execFileSync('dumpe2fs', ['-h', loop.path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(shown).toMatch(/volume name:\s+db/);
    expect(shown).not.toContain('has_journal');
  });
});

/** CRC-32 as GPT uses it. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
