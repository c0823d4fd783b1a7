import { Fault } from './fault';
import type { FileSystem } from './file-system';
import { formatUntrusted } from './text';

/**
 * The mount options that a volume's owner may set: a closed list, after mount(8), ext4(5), xfs(5) and btrfs(5). Not in it is
 * what reaches beyond the volume: `suid` and `dev`, binds and remounts, other devices and paths (`loop`, `logdev`,
 * `journal_path`, `subvol`), helpers and `x-mount.…`, labels of SELinux, and what can take the node down (`errors=panic`).
 */

/** Longest of the options below, with room for numbers. */
const LONGEST_CHARACTERS = 64;

const ANY_FILE_SYSTEM = [
  'ro|rw|sync|async|dirsync|exec|noexec|nosuid|nodev|silent|loud|iversion|noiversion|nosymfollow',
  'atime|noatime|relatime|norelatime|strictatime|nostrictatime|diratime|nodiratime|lazytime|nolazytime',
  'acl|noacl|discard|nodiscard|barrier|nobarrier',
];

const QUOTAS = ['quota|noquota|usrquota|grpquota|prjquota'];

const EXT = [
  'user_xattr|nouser_xattr|grpid|nogrpid|bsdgroups|sysvgroups|noload|norecovery|delalloc|nodelalloc|journal_checksum',
  'nojournal_checksum|journal_async_commit|auto_da_alloc|noauto_da_alloc|block_validity|noblock_validity|noinit_itable',
  'dioread_lock|dioread_nolock|i_version',
  'data=(?:journal|ordered|writeback)|errors=(?:continue|remount-ro)|barrier=[01]|journal_ioprio=[0-7]',
  '(?:commit|stripe|resuid|resgid|inode_readahead_blks|max_batch_time|min_batch_time|init_itable)=[0-9]{1,10}',
];

const XFS = [
  'nouuid|norecovery|inode32|inode64|largeio|nolargeio|noalign|swalloc|wsync|filestreams|ikeep|noikeep|attr2|noattr2',
  'grpid|nogrpid|bsdgroups|sysvgroups',
  'uquota|gquota|pquota|uqnoenforce|gqnoenforce|pqnoenforce|qnoenforce',
  '(?:allocsize|logbsize)=[0-9]{1,10}[kKmMgG]?|(?:logbufs|sunit|swidth)=[0-9]{1,10}',
];

const BTRFS = [
  'autodefrag|noautodefrag|datacow|nodatacow|datasum|nodatasum|space_cache|nospace_cache|clear_cache|ssd|nossd|ssd_spread',
  'nossd_spread|flushoncommit|noflushoncommit|treelog|notreelog|skip_balance|user_subvol_rm_allowed|compress|compress-force',
  'compress(?:-force)?=(?:no|lzo|zlib(?::[0-9]{1,2})?|zstd(?::-?[0-9]{1,2})?)|discard=(?:sync|async)|space_cache=v[12]',
  '(?:commit|thread_pool|metadata_ratio)=[0-9]{1,10}|max_inline=[0-9]{1,10}[kKmMgG]?',
];

const ALLOWED: { readonly [Name in FileSystem]: RegExp } = {
  ext4: oneOf([...ANY_FILE_SYSTEM, ...QUOTAS, ...EXT]),
  ext3: oneOf([...ANY_FILE_SYSTEM, ...QUOTAS, ...EXT]),
  xfs: oneOf([...ANY_FILE_SYSTEM, ...QUOTAS, ...XFS]),
  btrfs: oneOf([...ANY_FILE_SYSTEM, ...BTRFS]),
};

/** One mount option, e.g. `noatime` or `data=ordered`. Throws InvalidArgument unless a volume's owner may set it. */
export function parseMountFlag(
  text: string,
  { fileSystem, field }: { readonly fileSystem: FileSystem; readonly field: string },
): string {
  if (text === '') throw new Fault('InvalidArgument', `${field}: empty`);
  if (text.includes(',')) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} has a comma; each option is a flag of its own`,
    );
  }
  if (text.length > LONGEST_CHARACTERS || !ALLOWED[fileSystem].test(text)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is no mount option that a volume's owner may set on ${fileSystem}`,
    );
  }
  return text;
}

function oneOf(patterns: readonly string[]): RegExp {
  return new RegExp(`^(?:${patterns.join('|')})$`);
}
