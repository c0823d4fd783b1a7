import type { Brand } from './brand';
import { Fault } from './fault';
import type { FileSystem } from './file-system';
import { formatUntrusted } from './text';

/** A size in bytes: not negative, at most 2^63-1, byte-exact. */
export type Bytes = Brand<bigint, 'Bytes'>;

export const KIB = 1024n;
export const MIB = 1024n * KIB;
export const GIB = 1024n * MIB;
export const TIB = 1024n * GIB;
export const PIB = 1024n * TIB;

const DEFAULT_BYTES = GIB;
const MINIMUM_BYTES = MIB;
/** mkfs.xfs refuses anything smaller (xfsprogs 5.19 and newer). */
const MINIMUM_XFS_BYTES = 300n * MIB;

/** The largest volume: 1 PiB. */
export const MAX_VOLUME_BYTES = PIB;
const LARGEST_INT64 = 2n ** 63n - 1n;
const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;

const UNITS: readonly (readonly [string, bigint])[] = [
  ['PiB', PIB],
  ['TiB', TIB],
  ['GiB', GIB],
  ['MiB', MIB],
  ['KiB', KIB],
];

/** Plain decimal text or a bigint, in bytes. Throws InvalidArgument. */
export function parseBytes(decimal: string | bigint, field: string): Bytes {
  if (typeof decimal === 'string' && !DECIMAL.test(decimal)) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(decimal)} is no whole number of bytes`);
  }
  const bytes = BigInt(decimal);
  if (bytes < 0n) throw new Fault('InvalidArgument', `${field}: ${bytes} is negative`);
  if (bytes > LARGEST_INT64) throw new Fault('InvalidArgument', `${field}: ${bytes} does not fit 64 bits`);
  return bytes as Bytes;
}

/** A CSI CapacityRange, in bytes; 0 is "unset", as on the wire. */
export interface CapacityRange {
  readonly requiredBytes: bigint;
  readonly limitBytes: bigint;
}

/**
 * The size that a volume shall have: what is required, rounded up to whole MiB; at least 1 MiB (xfs: 300 MiB), at most 1 PiB;
 * 1 GiB, or as near to it as the limit allows, where nothing is required. `limitBytes` is what an existing volume may have at most.
 * Throws InvalidArgument (negative, neither set, limit below required) and SizeOutOfRange (no size can be made of it).
 */
export function parseCapacity(
  range: CapacityRange | undefined,
  fsType: FileSystem | undefined,
): { readonly sizeBytes: Bytes; readonly limitBytes: Bytes | undefined } {
  const minimumBytes = fsType === 'xfs' ? MINIMUM_XFS_BYTES : MINIMUM_BYTES;
  if (!range) return { sizeBytes: parseBytes(DEFAULT_BYTES, 'default size'), limitBytes: undefined };

  const requiredBytes = parseBytes(range.requiredBytes, 'capacity_range.required_bytes');
  const limitBytes = parseBytes(range.limitBytes, 'capacity_range.limit_bytes');
  // CSI spec 1.12, CapacityRange: at least one of the fields MUST be specified.
  if (requiredBytes === 0n && limitBytes === 0n) {
    throw new Fault('InvalidArgument', 'capacity_range: neither required_bytes nor limit_bytes is set');
  }
  if (limitBytes > 0n && limitBytes < requiredBytes) {
    throw new Fault(
      'InvalidArgument',
      `capacity_range.limit_bytes: ${limitBytes} is less than the ${requiredBytes} of required_bytes`,
    );
  }
  if (requiredBytes > MAX_VOLUME_BYTES) {
    throw new Fault('SizeOutOfRange', `capacity_range.required_bytes: ${requiredBytes} is more than 1 PiB`);
  }

  const wishedBytes = requiredBytes > 0n ? requiredBytes : smaller(DEFAULT_BYTES, (limitBytes / MIB) * MIB);
  const sizeBytes = larger(roundUpToMib(wishedBytes), minimumBytes);
  if (limitBytes > 0n && sizeBytes > limitBytes) {
    throw new Fault(
      'SizeOutOfRange',
      `capacity_range.limit_bytes: ${limitBytes} allows no size: volumes have whole MiB, at least ` +
        `${formatBytes(minimumBytes)}, so this one would have ${sizeBytes}`,
    );
  }
  return {
    sizeBytes: parseBytes(sizeBytes, 'capacity_range'),
    limitBytes: limitBytes > 0n ? limitBytes : undefined,
  };
}

/** For people, and exact: the largest unit that divides the size, `10 GiB`, `1536 GiB`, `1001 B`. */
export function formatBytes(bytes: bigint): string {
  const unit = UNITS.find(([, unitBytes]) => bytes !== 0n && bytes % unitBytes === 0n);
  return unit ? `${bytes / unit[1]} ${unit[0]}` : `${bytes} B`;
}

function roundUpToMib(bytes: bigint): bigint {
  return ((bytes + MIB - 1n) / MIB) * MIB;
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
