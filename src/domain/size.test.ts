import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from './fault';
import type { FileSystem } from './file-system';
import { formatBytes, GIB, MAX_VOLUME_BYTES, MIB, parseBytes, parseCapacity, TIB } from './size';

const sizeOf = (requiredBytes: bigint, limitBytes: bigint, fsType?: FileSystem) =>
  parseCapacity({ requiredBytes, limitBytes }, fsType);

describe('parseCapacity', () => {
  it.each<[string, bigint, bigint, FileSystem | undefined, bigint]>([
    ['whole MiB stay', 5n * GIB, 0n, 'ext4', 5n * GIB],
    ['1.5 TiB', 1536n * GIB, 0n, 'ext4', 1_649_267_441_664n],
    ['2.5 GiB', 2560n * MIB, 0n, 'ext4', 2_684_354_560n],
    ['1 byte over is rounded up', GIB + 1n, 0n, 'ext4', GIB + MIB],
    ['1 byte under is rounded up', GIB - 1n, 0n, 'ext4', GIB],
    ['1 byte is 1 MiB', 1n, 0n, 'ext4', MIB],
    ['a decimal gigabyte', 1_000_000_000n, 0n, undefined, 954n * MIB],
    ['xfs has at least 300 MiB', MIB, 0n, 'xfs', 300n * MIB],
    ['xfs above its minimum', 301n * MIB, 0n, 'xfs', 301n * MIB],
    ['the largest', MAX_VOLUME_BYTES, 0n, 'ext4', MAX_VOLUME_BYTES],
    ['just the limit', GIB, GIB, 'ext4', GIB],
    ['a limit far above', GIB, 2n ** 63n - 1n, 'ext4', GIB],
    ['a limit alone, below the default', 0n, 100n * MIB + 5n, 'ext4', 100n * MIB],
    ['a limit alone, above the default', 0n, 5n * GIB, 'ext4', GIB],
    ['a limit alone, just the minimum', 0n, MIB, 'ext4', MIB],
    ['a limit alone, for xfs', 0n, 300n * MIB, 'xfs', 300n * MIB],
  ])('%s', (_fact, required, limit, fsType, sizeBytes) => {
    expect(sizeOf(required, limit, fsType)).toEqual({ sizeBytes, limitBytes: limit === 0n ? undefined : limit });
  });

  it('is 1 GiB where nothing is said', () => {
    expect(parseCapacity(undefined, undefined)).toEqual({ sizeBytes: GIB, limitBytes: undefined });
    expect(parseCapacity(undefined, 'xfs')).toEqual({ sizeBytes: GIB, limitBytes: undefined });
  });

  it.each<[bigint, bigint, FileSystem, Fault]>([
    [-1n, 0n, 'ext4', new Fault('InvalidArgument', 'capacity_range.required_bytes: -1 is negative')],
    [0n, -5n, 'ext4', new Fault('InvalidArgument', 'capacity_range.limit_bytes: -5 is negative')],
    [0n, 0n, 'ext4', new Fault('InvalidArgument', 'capacity_range: neither required_bytes nor limit_bytes is set')],
    [
      2n * GIB,
      GIB,
      'ext4',
      new Fault(
        'InvalidArgument',
        'capacity_range.limit_bytes: 1073741824 is less than the 2147483648 of required_bytes',
      ),
    ],
    [
      MAX_VOLUME_BYTES + 1n,
      0n,
      'ext4',
      new Fault('SizeOutOfRange', 'capacity_range.required_bytes: 1125899906842625 is more than 1 PiB'),
    ],
    [
      2n ** 63n - 1n,
      0n,
      'ext4',
      new Fault('SizeOutOfRange', 'capacity_range.required_bytes: 9223372036854775807 is more than 1 PiB'),
    ],
    [
      GIB + 1n,
      GIB + 2n,
      'ext4',
      new Fault(
        'SizeOutOfRange',
        'capacity_range.limit_bytes: 1073741826 allows no size: volumes have whole MiB, at least 1 MiB, so this one would have 1074790400',
      ),
    ],
    [
      0n,
      MIB - 1n,
      'ext4',
      new Fault(
        'SizeOutOfRange',
        'capacity_range.limit_bytes: 1048575 allows no size: volumes have whole MiB, at least 1 MiB, so this one would have 1048576',
      ),
    ],
    [
      10n * MIB,
      20n * MIB,
      'xfs',
      new Fault(
        'SizeOutOfRange',
        'capacity_range.limit_bytes: 20971520 allows no size: volumes have whole MiB, at least 300 MiB, so this one would have 314572800',
      ),
    ],
  ])('refuses %s to %s on %s', (required, limit, fsType, fault) => {
    expect(() => sizeOf(required, limit, fsType)).toThrow(fault);
    expect(() => sizeOf(required, limit, fsType)).toThrow(expect.objectContaining({ kind: fault.kind }));
  });

  it('gives for any range a size within it, of whole MiB and less than 1 MiB too large, or a Fault', () => {
    const bytes = fc.oneof(fc.bigInt(-2n, 4n * GIB), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.constant(0n));
    fc.assert(
      fc.property(bytes, bytes, fc.constantFrom<FileSystem>('ext4', 'xfs'), (required, limit, fsType) => {
        try {
          const { sizeBytes } = sizeOf(required, limit, fsType);
          const minimum = fsType === 'xfs' ? 300n * MIB : MIB;
          expect(sizeBytes % MIB).toBe(0n);
          expect(sizeBytes >= required && sizeBytes >= minimum && sizeBytes <= MAX_VOLUME_BYTES).toBe(true);
          expect(limit === 0n || sizeBytes <= limit).toBe(true);
          expect(required === 0n || sizeBytes === minimum || sizeBytes - required < MIB).toBe(true);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          expect(['InvalidArgument', 'SizeOutOfRange']).toContain(error.kind);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps the size that it gave: asked for again, it is the same', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, MAX_VOLUME_BYTES), (required) => {
        const { sizeBytes } = sizeOf(required, 0n);
        expect(sizeOf(sizeBytes, sizeBytes).sizeBytes).toBe(sizeBytes);
      }),
    );
  });
});

describe('parseBytes', () => {
  it.each<[string | bigint, bigint]>([
    ['0', 0n],
    ['1073741824', GIB],
    ['9223372036854775807', 2n ** 63n - 1n],
    [5n, 5n],
  ])('reads %s', (text, bytes) => expect(parseBytes(text, 'sizeBytes')).toBe(bytes));

  it.each<[string | bigint]>([
    [''],
    [' 1'],
    ['1 '],
    ['01'],
    ['+1'],
    ['-1'],
    ['1.0'],
    ['1e9'],
    ['0x10'],
    ['1G'],
    ['53 687 091 200'],
    ['9223372036854775808'],
    ['99999999999999999999'],
    [-1n],
    [2n ** 63n],
  ])('refuses %j', (text) => {
    expect(() => parseBytes(text, 'sizeBytes')).toThrow(expect.objectContaining({ kind: 'InvalidArgument' }));
    expect(() => parseBytes(text, 'sizeBytes')).toThrow('sizeBytes: ');
  });

  it('reads any size as it was written', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (bytes) => expect(parseBytes(bytes.toString(), 'x')).toBe(bytes)),
    );
  });
});

describe('formatBytes', () => {
  it.each<[bigint, string]>([
    [0n, '0 B'],
    [1n, '1 B'],
    [1023n, '1023 B'],
    [1024n, '1 KiB'],
    [MIB, '1 MiB'],
    [10n * GIB, '10 GiB'],
    [1536n * GIB, '1536 GiB'],
    [2n * TIB, '2 TiB'],
    [GIB + 1n, '1073741825 B'],
    [MAX_VOLUME_BYTES, '1 PiB'],
  ])('writes %s as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});
