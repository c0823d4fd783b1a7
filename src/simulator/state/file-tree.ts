import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { hasCode } from '../error-code';
import { Refusal } from '../script/errors';

export interface TreeEntry {
  /** Without a leading slash: `storage-pool/metal-csi/pvc-….img`. */
  readonly name: string;
  readonly kind: 'file' | 'directory';
  readonly sizeBytes: bigint;
  readonly modified: Date;
}

/** RouterOS's path of a file without its leading slash. Throws Refusal for empty segments, `.` and `..`. */
export function fileName(filePath: string, argument: string): string {
  const name = filePath.startsWith('/') ? filePath.slice(1) : filePath;
  const segments = name.split('/');
  const hasControl = name.split('').some((char) => char < ' ');
  if (hasControl || segments.some((each) => each === '' || each === '.' || each === '..')) {
    throw new Refusal(`invalid value for argument ${argument}`, argument);
  }
  return name;
}

/** The files of the mounted pools: real ones below a folder, sparse, one folder for each mount point. */
export class FileTree {
  constructor(readonly root: string) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  find(name: string): TreeEntry | undefined {
    try {
      return entryOf(name, lstatSync(this.real(name), { bigint: false }));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Everything below `folder`, in the order of the names. */
  list(folder = ''): readonly TreeEntry[] {
    return readdirSync(path.join(this.root, this.onDisk(folder)), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => path.relative(this.root, path.join(entry.parentPath, entry.name)))
      .toSorted()
      .map((name) => this.find(Buffer.from(name, 'utf8').toString('latin1')))
      .filter((entry) => entry !== undefined);
  }

  makeDirectory(name: string): void {
    mkdirSync(this.real(name), { recursive: true, mode: 0o700 });
  }

  /** Makes the file, or lets it grow; never shrinks it. Throws Refusal if the machine cannot have such a file. */
  grow(name: string, sizeBytes: bigint): void {
    const before = this.find(name);
    const handle = openSync(this.real(name), 'a', 0o600);
    try {
      if ((before?.sizeBytes ?? 0n) < sizeBytes) ftruncateSync(handle, Number(sizeBytes));
    } catch (error) {
      if (!before) unlinkSync(this.real(name));
      throw new Refusal(
        `failure: the machine of the simulator cannot hold ${sizeBytes} bytes in a file (${String(error)})`,
      );
    } finally {
      closeSync(handle);
    }
  }

  writeContents(name: string, contents: string): void {
    writeFileSync(this.real(name), Buffer.from(contents, 'latin1'), { mode: 0o600 });
  }

  readContents(name: string): string {
    return readFileSync(this.real(name)).toString('latin1');
  }

  rename(from: string, to: string): void {
    renameSync(this.real(from), this.real(to));
  }

  removeFile(name: string): void {
    unlinkSync(this.real(name));
  }

  /** Throws if it is not empty. */
  removeDirectory(name: string): void {
    rmdirSync(this.real(name));
  }

  /** Where the file really is, for a snapshot to be copied. */
  real(name: string): string {
    return path.join(this.root, this.onDisk(name));
  }

  private onDisk(name: string): string {
    return Buffer.from(name, 'latin1').toString('utf8');
  }
}

function entryOf(name: string, stats: Stats): TreeEntry {
  const kind = stats.isDirectory() ? 'directory' : 'file';
  return { name, kind, sizeBytes: kind === 'file' ? BigInt(stats.size) : 0n, modified: stats.mtime };
}
