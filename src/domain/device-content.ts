import { Fault } from './fault';
import { formatUntrusted } from './text';

/**
 * What is on a device, judged from two witnesses: blkid, which knows signatures, and our own reading, which knows only zeros.
 * blkid alone proves nothing: with exit code 2 it says both "nothing found" and "I could not read it".
 */

/** What is on a device. Only `blank` may be formatted. `found` is for a person. */
export type DeviceContent =
  | { readonly kind: 'blank' }
  | { readonly kind: 'file-system'; readonly type: string }
  /** A signature that is no file system's, or several: a partition table, LUKS, RAID member, swap, … */
  | { readonly kind: 'other'; readonly found: string }
  /** Data without a signature: a database's own, half a superblock, what an interrupted mkfs has left. */
  | { readonly kind: 'unknown'; readonly found: string };

/** A part of a device, in bytes. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

/** What our own reading of a device's places has found. */
export interface DeviceReading {
  /** The first bytes of the device, in hexadecimal. */
  readonly headHex: string;
  /** The first data that is not zero; undefined: all that was read is. */
  readonly data: { readonly offset: number; readonly hex: string } | undefined;
}

/** What blkid knows. */
export type BlkidResult =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'file-system'; readonly type: string }
  | { readonly kind: 'other'; readonly found: string };

const KIB = 1024;
const MIB = 1024 * KIB;
/** Up to this size all of a device is read. */
const READ_WHOLE_BYTES = 256 * MIB;
/** At both ends: superblocks, GPT and its copy, LUKS2's second header (up to 4 MiB), ZFS labels, RAID members of every version. */
const EDGE_BYTES = 8 * MIB;
/** In between: a file system or a database in use has data all over the device. */
const SAMPLES = 512;
const SAMPLE_BYTES = 64 * KIB;
const ALIGNMENT_BYTES = 4 * KIB;
/** Copies of superblocks, with what follows: btrfs at 64 MiB and 256 GiB, ext with blocks of 4 KiB at 128 MiB. */
const KNOWN_OFFSETS = [64 * MIB, 128 * MIB, 256 * 1024 * MIB];
const MOST_HEX_SHOWN = 32;

const XFS_MAGIC_HEX = '58465342';
/** `sb_inprogress` of the XFS superblock: set while mkfs.xfs is at work. */
const XFS_IN_PROGRESS_BYTE = 126;

/** The places to read before a device may be called blank: all of a small one; else both ends and samples in between. */
export function placesToRead(sizeBytes: number): readonly Place[] {
  if (sizeBytes <= READ_WHOLE_BYTES) return [{ offset: 0, length: sizeBytes }];
  const samples = Array.from({ length: SAMPLES - 1 }, (_, index) => {
    const offset = Math.floor((sizeBytes / SAMPLES) * (index + 1));
    return offset - (offset % ALIGNMENT_BYTES);
  });
  const between = [...KNOWN_OFFSETS, ...samples]
    .filter((offset) => offset >= EDGE_BYTES && offset + SAMPLE_BYTES <= sizeBytes - EDGE_BYTES)
    .map((offset) => ({ offset, length: SAMPLE_BYTES }));
  return [{ offset: 0, length: EDGE_BYTES }, { offset: sizeBytes - EDGE_BYTES, length: EDGE_BYTES }, ...between];
}

/** What `blkid -p -o export` says. Throws NodeToolFailed for what is neither of its answers. */
export function parseBlkid(result: {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}): BlkidResult {
  const { exitCode, stdout, stderr } = result;
  switch (exitCode) {
    case 0:
      return parseTags(stdout);
    // Also for a device that cannot be read: who calls has read it.
    case 2:
      return { kind: 'nothing' };
    case 8:
      return { kind: 'other', found: 'signatures of several things at once' };
    default: {
      const words = stderr.trim() === '' ? '' : `: ${formatUntrusted(stderr.trim())}`;
      throw new Fault('NodeToolFailed', `blkid ended with exit code ${exitCode}${words}`);
    }
  }
}

/** Both witnesses together. Only what neither of them has anything to say against is blank. */
export function judgeContent({
  blkid,
  reading,
}: {
  readonly blkid: BlkidResult;
  readonly reading: DeviceReading;
}): DeviceContent {
  const { data, headHex } = reading;
  if (blkid.kind === 'other') return blkid;
  if (blkid.kind === 'file-system') {
    return isUnfinishedXfs(headHex) ? { kind: 'unknown', found: 'an xfs whose mkfs has not come to its end' } : blkid;
  }
  if (data === undefined) return { kind: 'blank' };
  return { kind: 'unknown', found: `unknown data at offset ${data.offset}: ${data.hex.slice(0, MOST_HEX_SHOWN)}` };
}

/** For a person: `a file system (ext4)`, `a partition table (gpt)`, `unknown data at offset 4096: …`. */
export function formatContent(content: DeviceContent): string {
  if (content.kind === 'blank') return 'nothing';
  return content.kind === 'file-system' ? `a file system (${content.type})` : content.found;
}

function parseTags(stdout: string): BlkidResult {
  const tags = new Map(
    stdout.split('\n').map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name, value.join('=')] as const;
    }),
  );
  const type = tags.get('TYPE');
  const table = tags.get('PTTYPE');
  if (type !== undefined && tags.get('USAGE') === 'filesystem') return { kind: 'file-system', type };
  if (type !== undefined) return { kind: 'other', found: `a signature of ${type}` };
  if (table !== undefined) return { kind: 'other', found: `a partition table (${table})` };
  return { kind: 'other', found: `something that blkid calls ${formatUntrusted(stdout.trim())}` };
}

function isUnfinishedXfs(headHex: string): boolean {
  const inProgress = headHex.slice(XFS_IN_PROGRESS_BYTE * 2, XFS_IN_PROGRESS_BYTE * 2 + 2);
  return headHex.startsWith(XFS_MAGIC_HEX) && inProgress !== '00';
}
