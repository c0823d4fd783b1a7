import { describe, expect, it } from '@jest/globals';
import { Fault } from './fault';
import { parseVolumeId } from './volume-id';
import { filePathOf, parseVolumePath, parseVolumePathUnder, poolNameOf } from './volume-path';

const roots = ['/storage-pool/metal-csi', '/fast'].map((text) => parseVolumePath(text, 'roots'));

describe('parseVolumePath', () => {
  it.each([
    ['', 'volumePath: missing'],
    ['a', 'volumePath: "a" does not begin with a slash'],
    ['/', 'volumePath: "/" ends in a slash'],
    ['/a/', 'volumePath: "/a/" ends in a slash'],
    ['/a//b', 'volumePath: "/a//b" has an empty segment'],
    ['/a/../b', 'volumePath: "/a/../b" has a segment ".."'],
    ['/a/./b', 'volumePath: "/a/./b" has a segment "."'],
    ['/a b', 'volumePath: "/a b" has characters other than A-Z a-z 0-9 . _ - in a segment'],
    [`/${'x'.repeat(255)}`, `volumePath: "/${'x'.repeat(79)}"… (256 characters) has more than 255 characters`],
  ])('tells which rule %j breaks', (text, message) => {
    expect(() => parseVolumePath(text, 'volumePath')).toThrow(new Fault('InvalidArgument', message));
  });

  it('takes 255 characters', () => {
    expect(parseVolumePath(`/${'x'.repeat(254)}`, 'volumePath')).toHaveLength(255);
  });
});

describe('parseVolumePathUnder', () => {
  it.each(['/storage-pool/metal-csi', '/storage-pool/metal-csi/a', '/storage-pool/metal-csi/a/b', '/fast', '/fast/x'])(
    'takes %s',
    (text) => expect(parseVolumePathUnder(text, roots, 'volumePath')).toBe(text),
  );

  it.each([
    ['the name goes on', '/storage-pool/metal-csi-2'],
    ['the name goes on', '/faster'],
    ['above a root', '/storage-pool'],
    ['beside a root', '/storage-pool/other'],
    ['another case', '/FAST'],
  ])('refuses what is not under a root: %s', (_fact, text) => {
    expect(() => parseVolumePathUnder(text, roots, 'parameters.volumePath')).toThrow(
      new Fault('InvalidArgument', `parameters.volumePath: "${text}" is not under /storage-pool/metal-csi or /fast`),
    );
  });

  it('refuses a way out of a root', () => {
    expect(() => parseVolumePathUnder('/fast/../flash', roots, 'volumePath')).toThrow('has a segment ".."');
  });
});

it('tells the backing file and the pool of a path', () => {
  const volumeId = parseVolumeId('pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301');
  const path = parseVolumePath('/storage-pool/metal-csi', 'volumePath');
  expect(filePathOf(path, volumeId)).toBe(`/storage-pool/metal-csi/${volumeId}.img`);
  expect(poolNameOf(path)).toBe('storage-pool');
  expect(poolNameOf(parseVolumePath('/storage-pool', 'volumePath'))).toBe('storage-pool');
});
