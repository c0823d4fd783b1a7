import type { FileSystem } from '../../domain/file-system';

/** What the device's blocks hold is known: zeros. To discard them first takes long, and gives back space that was set aside. */
const EXT_NO_DISCARD = 'nodiscard';
/** Set by the volume's owner either way: then that stands. */
const EXT_DISCARDS = ['discard', 'nodiscard'];

/**
 * The command that makes a file system: the owner's options last, where the later of two wins. All are lazy: what can be written
 * later is written when the file system is mounted.
 *
 * ext3, ext4: `-F`, since mke2fs else asks whether a whole disk is meant; `-m0`, since no process of the node needs a reserve on
 * a volume of its own (as the drivers of Kubernetes' own mount library). xfs, btrfs: never forced, except over what an earlier
 * try of our own has left, so that they look once more for what they know.
 */
export function mkfsCommand({
  devicePath,
  fileSystem,
  options,
  isRemains,
}: {
  readonly devicePath: string;
  readonly fileSystem: FileSystem;
  readonly options: readonly string[];
  readonly isRemains: boolean;
}): { readonly file: string; readonly args: readonly string[] } {
  const file = `mkfs.${fileSystem}`;
  const force = isRemains ? ['-f'] : [];
  if (fileSystem === 'xfs' || fileSystem === 'btrfs') {
    return { file, args: ['-q', '-K', ...force, ...options, '--', devicePath] };
  }
  return { file, args: ['-q', '-F', '-m', '0', ...withNoDiscard(options), '--', devicePath] };
}

/** mke2fs takes the last `-E` alone, so that ours goes into the owner's. */
function withNoDiscard(options: readonly string[]): readonly string[] {
  const last = options.lastIndexOf('-E');
  if (last < 0) return ['-E', EXT_NO_DISCARD, ...options];
  return options.map((option, index) => {
    if (index !== last + 1 || option.split(',').some((part) => EXT_DISCARDS.includes(part))) return option;
    return `${EXT_NO_DISCARD},${option}`;
  });
}
