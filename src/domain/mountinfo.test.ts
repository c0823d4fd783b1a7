import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from './fault';
import { findMountOf, findTopmost, isAtOrBelow, parseMountinfo } from './mountinfo';

const LINE = '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue';

describe('parseMountinfo', () => {
  it('reads the line of proc(5)', () =>
    expect(parseMountinfo(`${LINE}\n`)).toEqual([
      {
        id: 36,
        parentId: 35,
        major: 98,
        minor: 0,
        root: '/mnt1',
        mountPoint: '/mnt2',
        options: ['rw', 'noatime'],
        fileSystemType: 'ext3',
        source: '/dev/root',
        superOptions: ['rw', 'errors=continue'],
      },
    ]));

  it.each([
    ['no optional field', '1 0 0:5 / /a rw - tmpfs tmpfs rw', { mountPoint: '/a', fileSystemType: 'tmpfs' }],
    ['several', '1 0 0:5 / /a rw shared:1 master:2 unbindable - tmpfs tmpfs rw', { mountPoint: '/a', source: 'tmpfs' }],
    ['escapes', '1 0 0:5 / /a\\040b\\011c\\012d\\134e rw - tmpfs x rw', { mountPoint: '/a b\tc\nd\\e' }],
    ['an escaped backslash before digits', '1 0 0:5 / /a\\134040 rw - tmpfs x rw', { mountPoint: '/a\\040' }],
    ['an empty source', '1 0 0:5 / /a rw - tmpfs  rw', { source: '' }],
    ['a path that is a dash', '1 0 0:5 / /- rw - tmpfs x rw', { mountPoint: '/-' }],
    ['a source that is a dash', '1 0 0:5 / /a rw - tmpfs - rw', { source: '-' }],
    ['a bound file that was deleted', '1 0 0:5 /a//deleted /b rw - tmpfs x rw', { root: '/a//deleted' }],
    ['a root outside of its mount', '1 0 0:4 net:[4026532] /run/ns rw - nsfs nsfs rw', { root: 'net:[4026532]' }],
  ])('reads %s', (_fact, line, expected) => expect(parseMountinfo(line)).toMatchObject([expected]));

  it.each([
    'x',
    '36 35 98 / /a rw - ext3 x rw',
    '36 35 98:0 / a rw - ext3 x rw',
    '36 35 98:0 / /a rw',
    LINE.slice(0, 50),
    ' ',
  ])('refuses %j, naming it', (line) => {
    const act = () => parseMountinfo(`${LINE}\n${line}\n`);
    expect(act).toThrow(Fault);
    expect(act).toThrow(JSON.stringify(line));
  });

  it('reads back what the kernel would write', () => {
    const path = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((text) => !text.includes('\0'));
    const escape = (text: string) =>
      text.replace(/[ \t\n\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
    fc.assert(
      fc.property(
        path,
        path,
        fc.array(fc.constantFrom('shared:1', 'master:3', 'unbindable')),
        (place, source, optional) => {
          const line = [
            '7',
            '6',
            '259:3',
            '/',
            escape(`/${place}`),
            'rw',
            ...optional,
            '-',
            'xfs',
            escape(source),
            'rw',
          ].join(' ');
          expect(parseMountinfo(line)).toMatchObject([{ mountPoint: `/${place}`, source, minor: 3 }]);
        },
      ),
    );
  });
});

describe('finding mounts', () => {
  const mounts = parseMountinfo(
    [
      '1 0 8:1 / / rw - ext4 /dev/sda rw',
      '4 2 7:1 / /a/b rw - ext4 /dev/loop1 rw',
      '2 1 7:0 / /a rw - ext4 /dev/loop0 rw',
      '5 4 7:2 / /a/b rw - ext4 /dev/loop2 rw',
    ].join('\n'),
  );

  it.each([
    ['/a', 2],
    ['/a/b', 5],
    ['/a/b/c', undefined],
    ['/', 1],
  ])('%s: the topmost mount there', (path, id) => expect(findTopmost(mounts, path)?.id).toBe(id));

  it.each([
    ['/', 1],
    ['/ab', 1],
    ['/a', 2],
    ['/a/x', 2],
    ['/a/b/c', 5],
  ])('%s: the mount that it lies on', (path, id) => expect(findMountOf(mounts, path)?.id).toBe(id));

  it.each([
    ['/a', '/a', true],
    ['/a/b', '/a', true],
    ['/ab', '/a', false],
    ['/a', '/', true],
    ['/', '/a', false],
  ])('%s at or below %s: %s', (path, folder, expected) => expect(isAtOrBelow(path, folder)).toBe(expected));
});
