import { Fault } from './fault';
import { formatUntrusted } from './text';

/** How large a file system is, as its own tools tell. */
export interface FileSystemSize {
  readonly sizeBytes: bigint;
  /** Less than this at a device's end may stay unused: too little for another part of the file system. */
  readonly remainderBytes: bigint;
}

/** mke2fs needs a whole group of blocks in the worst case; what is less may be left. */
const EXT_FIELDS = { blocks: 'Block count', blockBytes: 'Block size', groupBlocks: 'Blocks per group' };
/** `data     =                       bsize=4096   blocks=262144, imaxpct=25` */
const XFS_DATA = /^data\s+=\s+bsize=([0-9]+)\s+blocks=([0-9]+),/m;
/** XFS_MIN_AG_BLOCKS: the smallest allocation group. */
const XFS_SMALLEST_GROUP_BLOCKS = 64n;

/** From what `dumpe2fs -h` prints. Throws NodeToolFailed. */
export function parseExtSize(text: string): FileSystemSize {
  const blockBytes = extNumber(text, EXT_FIELDS.blockBytes);
  return {
    sizeBytes: extNumber(text, EXT_FIELDS.blocks) * blockBytes,
    remainderBytes: extNumber(text, EXT_FIELDS.groupBlocks) * blockBytes,
  };
}

/** From what `xfs_growfs -n` prints. Throws NodeToolFailed. */
export function parseXfsSize(text: string): FileSystemSize {
  const [, blockBytes, blocks] = XFS_DATA.exec(text) ?? [];
  if (blockBytes === undefined || blocks === undefined) throw unreadable('xfs_growfs', text);
  return {
    sizeBytes: BigInt(blocks) * BigInt(blockBytes),
    remainderBytes: XFS_SMALLEST_GROUP_BLOCKS * BigInt(blockBytes),
  };
}

function extNumber(text: string, name: string): bigint {
  const number = new RegExp(`^${name}:\\s+([0-9]+)$`, 'm').exec(text)?.[1];
  if (number === undefined) throw unreadable('dumpe2fs', text);
  return BigInt(number);
}

function unreadable(tool: string, text: string): Fault {
  return new Fault('NodeToolFailed', `${tool}: what it prints cannot be read: ${formatUntrusted(text)}`);
}
