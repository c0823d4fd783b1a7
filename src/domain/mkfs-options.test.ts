import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from './fault';
import type { FileSystem } from './file-system';
import { parseMkfsOptions } from './mkfs-options';

const field = 'volume_context.mkfsOptions';

describe('parseMkfsOptions', () => {
  it.each<readonly [FileSystem, string, readonly string[]]>([
    ['ext4', '', []],
    ['ext4', ' \t ', []],
    ['ext4', '-m 0', ['-m', '0']],
    ['ext4', '-m0', ['-m', '0']],
    ['ext4', '-m 0.5  -K', ['-m', '0.5', '-K']],
    ['ext4', '-E stride=16,stripe-width=64,nodiscard', ['-E', 'stride=16,stripe-width=64,nodiscard']],
    ['ext4', '-Elazy_itable_init=0', ['-E', 'lazy_itable_init=0']],
    ['ext4', '-E root_owner=1000:1000', ['-E', 'root_owner=1000:1000']],
    ['ext4', '-O ^has_journal,bigalloc -C 64k', ['-O', '^has_journal,bigalloc', '-C', '64k']],
    ['ext4', '-J size=64', ['-J', 'size=64']],
    [
      'ext3',
      '-b 4096 -I 256 -i 16384 -T largefile4 -L db_1',
      ['-b', '4096', '-I', '256', '-i', '16384', '-T', 'largefile4', '-L', 'db_1'],
    ],
    [
      'xfs',
      '-m crc=1,reflink=0,bigtime=1 -i size=1k,nrext64=0',
      ['-m', 'crc=1,reflink=0,bigtime=1', '-i', 'size=1k,nrext64=0'],
    ],
    ['xfs', '-d su=64k,sw=4,agcount=16 -l size=64m,su=32k', ['-d', 'su=64k,sw=4,agcount=16', '-l', 'size=64m,su=32k']],
    ['xfs', '-K -s size=4096 -n ftype=1 -L data', ['-K', '-s', 'size=4096', '-n', 'ftype=1', '-L', 'data']],
    [
      'btrfs',
      '-d single --metadata=dup --csum xxhash -n 16k',
      ['-d', 'single', '--metadata', 'dup', '--csum', 'xxhash', '-n', '16k'],
    ],
    ['btrfs', '-O ^no-holes,block-group-tree', ['-O', '^no-holes,block-group-tree']],
  ])('%s takes %j', (fileSystem, text, options) => expect(parseMkfsOptions(text, fileSystem, field)).toEqual(options));

  it.each<readonly [FileSystem, string, string]>([
    ['ext4', '-J device=/dev/sda', '"-J device=/dev/sda" names another device'],
    ['ext4', '-J size=4,device=LABEL', '"-J device=LABEL" names another device'],
    ['ext4', '-O journal_dev', '"-O journal_dev" makes no file system of its own'],
    ['ext4', '-O extents,journal_dev', '"-O extents,journal_dev" makes no file system of its own'],
    ['ext4', '-E offset=4096', '"-E offset=4096" makes no file system of its own'],
    ['ext4', '-d /etc', '"-d" names a file of the node'],
    ['ext4', '-d/etc', '"-d/etc" names a file of the node'],
    ['ext4', '-l /etc/passwd', '"-l" names a file of the node'],
    ['ext4', '-z /tmp/undo', '"-z" names a file of the node'],
    ['ext4', '-n', '"-n" makes no file system of its own'],
    ['ext4', '-S', '"-S" writes over what is there'],
    ['ext4', '-F', '"-F" writes over what is there'],
    ['ext4', '-U random', '"-U" gives every volume the same UUID'],
    ['ext4', '-e panic', '"-e panic" has a value that is not taken'],
    ['ext4', '/dev/sda', '"/dev/sda" is no option that a volume may be made with (mkfs.ext4)'],
    ['ext4', '-m 0 /dev/sda', '"/dev/sda" is no option'],
    ['ext4', '--', '"--" is no option'],
    ['ext4', '-', '"-" is no option'],
    ['ext4', '-m', '"-m" has no value'],
    ['ext4', '-m -F', '"-m -F" has a value that is not taken'],
    ['ext4', '-Kv', '"-Kv" takes no value'],
    ['ext4', '-E', '"-E" has no value'],
    ['ext4', '-E stride', '"-E stride" has a value that is not taken'],
    ['ext4', '-E constructor=1', '"-E constructor=1" is no option that a volume may be made with'],
    ['ext4', '__proto__', '"__proto__" is no option'],
    ['ext4', '-b 16384', '"-b 16384" has a value that is not taken'],
    ['ext4', '-O 64bit,^extent', '"-O 64bit,^extent" makes what the kernel takes for ext3'],
    ['xfs', '-b size=65536', '"-b size=65536" has a value that is not taken'],
    ['btrfs', '--sectorsize=64k', '"--sectorsize 64k" has a value that is not taken'],
    ['xfs', '-l logdev=/dev/sda', '"-l logdev=/dev/sda" names another device'],
    ['xfs', '-l size=4m,logdev=/dev/sda', '"-l logdev=/dev/sda" names another device'],
    ['xfs', '-d name=/dev/sda', '"-d name=/dev/sda" names a file of the node'],
    ['xfs', '-d file', '"-d file" names a file of the node'],
    ['xfs', '-d size=1g', '"-d size=1g" leaves a part of the volume unused'],
    ['xfs', '-r rtdev=/dev/sda', '"-r" names another device'],
    ['xfs', '-c options=/etc/x', '"-c" names a file of the node'],
    ['xfs', '-p /etc/x', '"-p" names a file of the node'],
    ['xfs', '-f', '"-f" writes over what is there'],
    ['xfs', '-m uuid=x', '"-m uuid=x" gives every volume the same UUID'],
    ['btrfs', '-d raid1', '"-d raid1" has a value that is not taken'],
    ['btrfs', '--rootdir=/etc', '"--rootdir=/etc" names a file of the node'],
    ['btrfs', '-r /etc', '"-r" names a file of the node'],
    ['btrfs', '/dev/sda /dev/sdb', '"/dev/sda" is no option'],
    ['btrfs', '--force', '"--force" writes over what is there'],
    ['btrfs', '-b 1g', '"-b" leaves a part of the volume unused'],
  ])('%s refuses %j', (fileSystem, text, why) => {
    const act = () => parseMkfsOptions(text, fileSystem, field);
    expect(act).toThrow(Fault);
    expect(act).toThrow(`${field}: ${why}`);
  });

  it('never lets a path or a further device through', () => {
    const token = fc.constantFrom(
      '-m',
      '-E',
      '-J',
      '-d',
      '-l',
      '-O',
      '--data',
      '--label=',
      '0',
      'size=1',
      'device=',
      '/dev/sda',
      ',',
      '=',
      '-r',
    );
    const fileSystem = fc.constantFrom<FileSystem>('ext4', 'xfs', 'ext3', 'btrfs');
    fc.assert(
      fc.property(fc.array(fc.tuple(token, fc.constantFrom(' ', '', ','))), fileSystem, (tokens, fileSystem) => {
        try {
          const options = parseMkfsOptions(tokens.flat().join(''), fileSystem, field);
          expect(options.join(' ')).not.toMatch(/\/|device=/);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});
