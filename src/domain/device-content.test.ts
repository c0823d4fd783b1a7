import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { formatContent, judgeContent, parseBlkid, placesToRead } from './device-content';
import { Fault } from './fault';

const MIB = 1024 * 1024;
const blank = { headHex: '00'.repeat(512), data: undefined };
const xfsHead = (inProgress: string) => ({
  headHex: `58465342${'00'.repeat(122)}${inProgress}`,
  data: { offset: 0, hex: '58' },
});

describe('placesToRead', () => {
  it.each([1, 512, MIB, 256 * MIB])('reads all of %d bytes', (sizeBytes) =>
    expect(placesToRead(sizeBytes)).toEqual([{ offset: 0, length: sizeBytes }]),
  );

  it('reads where superblocks live', () => {
    const sizeBytes = 1024 * 1024 * MIB;
    const places = placesToRead(sizeBytes);
    const isRead = (offset: number) =>
      places.some((place) => offset >= place.offset && offset < place.offset + place.length);
    for (const offset of [0, 1024, 65_536, 4 * MIB, 64 * MIB + 65_536 - 1, 128 * MIB, 256 * 1024 * MIB])
      expect(isRead(offset)).toBe(true);
    for (const fromEnd of [1, 512, 4096, 8192, 65_536, 131_072, 512 * 1024])
      expect(isRead(sizeBytes - fromEnd)).toBe(true);
    // The starts of XFS's allocation groups.
    for (const part of [1, 2, 3]) expect(isRead((sizeBytes / 4) * part)).toBe(true);
  });

  it('stays within the device, and reads little of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (sizeBytes) => {
        const places = placesToRead(sizeBytes);
        for (const { offset, length } of places) {
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset + length).toBeLessThanOrEqual(sizeBytes);
        }
        expect(places.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(256 * MIB);
      }),
      { numRuns: 50 },
    );
  });
});

describe('parseBlkid', () => {
  it.each([
    [0, 'DEVNAME=/dev/x\nUUID=1\nTYPE=ext4\nUSAGE=filesystem\n', { kind: 'file-system', type: 'ext4' }],
    [0, 'TYPE=crypto_LUKS\nUSAGE=crypto\n', { kind: 'other', found: 'a signature of crypto_LUKS' }],
    [0, 'PTUUID=1\nPTTYPE=gpt\n', { kind: 'other', found: 'a partition table (gpt)' }],
    [0, '', { kind: 'other', found: 'something that blkid calls ""' }],
    [2, '', { kind: 'nothing' }],
    [8, '', { kind: 'other', found: 'signatures of several things at once' }],
  ])('exit code %d, %j', (exitCode, stdout, expected) =>
    expect(parseBlkid({ exitCode, stdout, stderr: '' })).toEqual(expected),
  );

  it.each([1, 4, 127])('exit code %d is no answer', (exitCode) =>
    expect(() => parseBlkid({ exitCode, stdout: '', stderr: 'bad\n' })).toThrow(
      new Fault('NodeToolFailed', `blkid ended with exit code ${exitCode}: "bad"`),
    ),
  );
});

describe('judgeContent', () => {
  const data = { offset: 4096, hex: 'ff'.repeat(16) };
  it.each([
    ['neither has found anything', { kind: 'nothing' }, blank, { kind: 'blank' }],
    [
      'only the reading has',
      { kind: 'nothing' },
      { ...blank, data },
      { kind: 'unknown', found: `unknown data at offset 4096: ${data.hex}` },
    ],
    ['only blkid has', { kind: 'other', found: 'x' }, blank, { kind: 'other', found: 'x' }],
    ['a file system', { kind: 'file-system', type: 'xfs' }, xfsHead('00'), { kind: 'file-system', type: 'xfs' }],
    [
      'an unfinished xfs',
      { kind: 'file-system', type: 'xfs' },
      xfsHead('01'),
      { kind: 'unknown', found: 'an xfs whose mkfs has not come to its end' },
    ],
  ] as const)('%s', (_fact, blkid, reading, expected) => expect(judgeContent({ blkid, reading })).toEqual(expected));
});

describe('formatContent', () => {
  it.each([
    [{ kind: 'blank' }, 'nothing'],
    [{ kind: 'file-system', type: 'xfs' }, 'a file system (xfs)'],
    [{ kind: 'other', found: 'a partition table (gpt)' }, 'a partition table (gpt)'],
  ] as const)('%j', (content, text) => expect(formatContent(content)).toBe(text));
});
