import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseMountinfo } from '../../domain/mountinfo';
import { createProcesses } from '../process/processes';
import { createPaths } from './paths';

const processes = createProcesses();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'rds-csi-paths-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Over a mountinfo that shows a root and mounts at these places; their file systems answer, or not. */
function pathsWith({ mounted = [], dead = [] }: { mounted?: readonly string[]; dead?: readonly string[] } = {}) {
  const lines = [...mounted, ...dead].map((place, index) => `${index + 2} 1 7:${index} / ${place} rw - ext4 /dev/x rw`);
  return createPaths({
    processes,
    mounts: {
      list: async () => parseMountinfo(['1 0 8:1 / / rw - ext4 /dev/sda rw', ...lines].join('\n')),
      stats: async (mountPoint) => {
        if (dead.includes(mountPoint)) throw new Fault('NodeTimeout', `${mountPoint} does not answer`);
        return { totalBytes: 1n, freeBytes: 1n, availableBytes: 1n, totalInodes: 1n, freeInodes: 1n };
      },
    },
  });
}

describe('ensureDirectory', () => {
  it('makes it with its parents, for root alone, and again', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await pathsWith().ensureDirectory(path);
    await pathsWith().ensureDirectory(path);
    expect(statSync(path).mode & 0o7777).toBe(0o750);
  });

  it('refuses a file', async () => {
    writeFileSync(join(folder, 'a'), '');
    const fault = { kind: 'PathNotOurs' };
    await expect(pathsWith().ensureDirectory(join(folder, 'a'))).rejects.toMatchObject(fault);
    await expect(pathsWith().ensureDirectory(join(folder, 'a', 'b'))).rejects.toMatchObject(fault);
  });

  it.each(['relative', '/', '/a/', '/a/../b', '/a//b', ''])('refuses %j', async (path) =>
    expect(pathsWith().ensureDirectory(path)).rejects.toMatchObject({ kind: 'PathNotOurs' }),
  );

  it('goes over a mount that answers, and not over one that does not', async () => {
    const mounted = join(folder, 'mounted');
    mkdirSync(mounted);
    await pathsWith({ mounted: [mounted] }).ensureDirectory(join(mounted, 'a'));
    const overDead = pathsWith({ dead: [mounted] }).ensureDirectory(join(mounted, 'a'));
    await expect(overDead).rejects.toMatchObject({ kind: 'NodeTimeout' });
  });
});

describe('ensureFile', () => {
  it('makes an empty one, and again', async () => {
    const path = join(folder, 'a');
    await pathsWith().ensureFile(path);
    await pathsWith().ensureFile(path);
    expect(statSync(path).size).toBe(0);
  });

  it.each([
    ['a file with something in it', (path: string) => writeFileSync(path, 'x')],
    ['a directory', (path: string) => mkdirSync(path)],
    ['a link', (path: string) => symlinkSync('/etc/passwd', path)],
    ['a link to nothing', (path: string) => symlinkSync('/nowhere', path)],
  ])('refuses %s', async (_name, put) => {
    const path = join(folder, 'a');
    put(path);
    await expect(pathsWith().ensureFile(path)).rejects.toMatchObject({ kind: 'PathNotOurs' });
  });
});

describe('find', () => {
  it.each([
    ['nothing', () => undefined, undefined],
    ['a directory', (path: string) => mkdirSync(path), { kind: 'directory' }],
    ['a file', (path: string) => writeFileSync(path, ''), { kind: 'file' }],
    ['a link', (path: string) => symlinkSync('/', path), { kind: 'link' }],
  ])('%s', async (_name, put, expected) => {
    put(join(folder, 'a'));
    expect(await pathsWith().find(join(folder, 'a'))).toEqual(expected);
  });

  it('a character device is something other', async () =>
    expect(await pathsWith().find('/dev/null')).toEqual({ kind: 'other' }));
  it('nothing is below nothing', async () => expect(await pathsWith().find(join(folder, 'a', 'b'))).toBeUndefined());

  it('does not touch what is mounted', async () => {
    const dead = join(folder, 'a');
    expect(await pathsWith({ dead: [dead] }).find(dead)).toEqual({ kind: 'mount-point' });
  });
});

describe('remove', () => {
  it('removes an empty directory, an empty file, nothing', async () => {
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'b'), '');
    for (const name of ['a', 'b', 'c', 'c/d']) await pathsWith().remove(join(folder, name));
    for (const name of ['a', 'b', 'c']) expect(await pathsWith().find(join(folder, name))).toBeUndefined();
  });

  it('leaves what is mounted, and what something is mounted below', async () => {
    const path = join(folder, 'a');
    mkdirSync(path);
    for (const place of [path, join(path, 'b')]) {
      await expect(pathsWith({ mounted: [place] }).remove(path)).rejects.toMatchObject({ kind: 'MountBusy' });
    }
    expect(statSync(path).isDirectory()).toBe(true);
  });
});

describe('resolveBelow', () => {
  const resolve = (path: string, root = folder) => pathsWith().resolveBelow(path, root, 'target_path');

  it('takes what is below, there or not', async () => {
    mkdirSync(join(folder, 'a'));
    for (const path of ['a', 'a/b', 'a/b/c']) expect(await resolve(join(folder, path))).toBe(join(folder, path));
    expect(await resolve(`${folder}/a/`)).toBe(`${folder}/a`);
  });

  it('resolves links in the root itself', async () => {
    mkdirSync(join(folder, 'real', 'pods'), { recursive: true });
    symlinkSync('real', join(folder, 'kubelet'));
    const root = join(folder, 'kubelet');
    expect(await resolve(`${root}/pods/x`, root)).toBe(join(folder, 'real/pods/x'));
    expect(await resolve(join(folder, 'real/pods/x'), root)).toBe(join(folder, 'real/pods/x'));
  });

  it.each([
    ['', 'target_path: missing'],
    ['a', 'target_path: "a" is not absolute'],
    ['/etc', 'is not below'],
    ['FOLDER', 'is not below'],
    ['FOLDERx/a', 'is not below'],
    ['FOLDER/../a', 'has an empty segment, "." or ".."'],
    ['FOLDER//a', 'has an empty segment, "." or ".."'],
    ['FOLDER/./a', 'has an empty segment, "." or ".."'],
    ['FOLDER/a\0b', 'holds a NUL'],
    [`FOLDER/${'x'.repeat(256)}`, 'has a segment of more than 255 bytes'],
    [`FOLDER/${'x/'.repeat(3_000)}x`, 'has more than 4095 bytes'],
    ['FOLDER/link', 'is a link'],
    ['FOLDER/link/a', 'which is a link'],
    ['FOLDER/file/a', 'which is a file'],
  ])('refuses %j', async (path, why) => {
    symlinkSync('/etc', join(folder, 'link'));
    writeFileSync(join(folder, 'file'), '');
    await expect(resolve(path.replace('FOLDER', folder))).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: expect.stringContaining(why),
    });
  });
});
