/** Which Debian package has a program that the node needs: for the message when it is missing. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  blkid: 'util-linux',
  blockdev: 'util-linux',
  btrfs: 'btrfs-progs',
  dumpe2fs: 'e2fsprogs',
  losetup: 'mount',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.ext3': 'e2fsprogs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  mknod: 'coreutils',
  mount: 'mount',
  nvme: 'nvme-cli',
  resize2fs: 'e2fsprogs',
  stat: 'coreutils',
  umount: 'mount',
  xfs_growfs: 'xfsprogs',
};

/** Undefined: a program that nobody has named here. */
export function findPackageOf(program: string): string | undefined {
  return PACKAGE_OF[program];
}
