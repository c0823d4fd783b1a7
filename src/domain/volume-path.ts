import type { Brand } from './brand';
import { Fault } from './fault';
import { formatUntrusted } from './text';
import type { VolumeId } from './volume-id';

/** A directory on the RDS that holds backing files: absolute, no slash at the end, no `.`, `..` or empty segment. */
export type VolumePath = Brand<string, 'VolumePath'>;

/** Far more than any pool needs, and short enough for a file path and every message about it. */
const LONGEST_CHARACTERS = 255;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** Throws InvalidArgument, with a message for each rule that may be broken. */
export function parseVolumePath(text: string, field: string): VolumePath {
  const refuse = (why: string) => new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} ${why}`);
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (text.length > LONGEST_CHARACTERS) throw refuse(`has more than ${LONGEST_CHARACTERS} characters`);
  if (!text.startsWith('/')) throw refuse('does not begin with a slash');
  if (text.endsWith('/')) throw refuse('ends in a slash');
  for (const segment of text.slice(1).split('/')) {
    if (segment === '') throw refuse('has an empty segment');
    if (segment === '.' || segment === '..') throw refuse(`has a segment "${segment}"`);
    if (!SEGMENT.test(segment)) throw refuse('has characters other than A-Z a-z 0-9 . _ - in a segment');
  }
  return text as VolumePath;
}

/** As `parseVolumePath`, and the path is one of the roots or below one. Throws InvalidArgument. */
export function parseVolumePathUnder(text: string, roots: readonly VolumePath[], field: string): VolumePath {
  const path = parseVolumePath(text, field);
  if (!roots.some((root) => path === root || path.startsWith(`${root}/`))) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(path)} is not under ${roots.join(' or ')}`);
  }
  return path;
}

/** Path of a volume's backing file, with its leading slash: `/storage-pool/metal-csi/pvc-….img`. */
export function filePathOf(path: VolumePath, volumeId: VolumeId): string {
  return `${path}/${volumeId}.img`;
}

/** The pool that a path lies on: its first segment. */
export function poolNameOf(path: VolumePath): string {
  return path.slice(1).split('/', 1).join('');
}
