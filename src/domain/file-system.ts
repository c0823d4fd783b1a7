import { Fault } from './fault';
import { formatUntrusted } from './text';

const FILE_SYSTEMS = ['ext4', 'xfs', 'ext3', 'btrfs'] as const;

/** The file systems that nodes make and mount; ext4 where nothing is asked for. */
export type FileSystem = (typeof FILE_SYSTEMS)[number];

/** Throws InvalidArgument. */
export function parseFileSystem(text: string, field: string): FileSystem {
  const fileSystem = FILE_SYSTEMS.find((known) => known === text);
  if (!fileSystem) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} is none of ${FILE_SYSTEMS.join(', ')}`);
  }
  return fileSystem;
}
