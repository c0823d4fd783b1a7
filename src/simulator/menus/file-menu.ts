import { Refusal } from '../script/errors';
import { id, num, str, textOf, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import { fileName, type TreeEntry } from '../state/file-tree';
import type { Change, Menu, Row } from './row';

const COLUMNS = ['name', 'type', 'size', 'last-modified'];
/** Larger contents cannot be read by a script (manual). */
const CONTENTS_LIMIT = 60_000n;

function stamp(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

/** `/file`: what is in the mounted pools, by path without a leading slash. */
export class FileMenu implements Menu {
  readonly path = '/file';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    return this.array.pools.flatMap((pool) => {
      const mountPoint = pool.fixed['mount-point'] ?? '';
      const root = this.array.files.find(mountPoint);
      return root ? [this.row(root, 'disk'), ...this.array.files.list(mountPoint).map((entry) => this.row(entry))] : [];
    });
  }

  add(given: ReadonlyMap<string, Value>): string {
    const name = fileName(textOf(given.get('name') ?? str('')), 'name');
    const folder = name.slice(0, Math.max(name.lastIndexOf('/'), 0));
    if (!this.array.findPool(name) || this.array.files.find(folder)?.kind !== 'directory') {
      throw new Refusal('failure: no such directory');
    }
    if (this.array.files.find(name)) throw new Refusal('failure: file already exists');
    const contents = textOf(given.get('contents') ?? str(''));
    if (textOf(given.get('type') ?? str('file')) === 'directory') {
      if (contents !== '') throw new Refusal('failure: a directory has no contents');
      this.array.files.makeDirectory(name);
    } else {
      this.array.allocate(name, BigInt(contents.length));
      this.array.files.writeContents(name, contents);
    }
    return this.array.fileId(name);
  }

  set(row: Row, { values }: Change): void {
    this.checkUnused(row.name);
    const contents = values.get('contents');
    if (contents) {
      if (this.array.files.find(row.name)?.kind !== 'file') throw new Refusal('failure: a directory has no contents');
      this.array.allocate(row.name, BigInt(textOf(contents).length));
      this.array.files.writeContents(row.name, textOf(contents));
    }
    const to = values.get('name');
    if (!to) return;
    const name = fileName(textOf(to), 'name');
    if (this.array.files.find(name)) throw new Refusal('failure: file already exists');
    if (!this.array.findPool(name)) throw new Refusal('failure: no such directory');
    this.array.files.rename(row.name, name);
  }

  remove(row: Row): void {
    const entry = this.array.files.find(row.name);
    if (!entry) throw new Refusal('no such item (4)');
    if (!row.name.includes('/')) throw new Refusal('failure: can not remove disk');
    this.checkUnused(row.name);
    if (entry.kind === 'file') return this.array.files.removeFile(row.name);
    if (this.array.files.list(row.name).length > 0) throw new Refusal('failure: directory not empty');
    this.array.files.removeDirectory(row.name);
  }

  private checkUnused(name: string): void {
    const user = this.array.findUserOf(name);
    if (user) throw new Refusal(`failure: file is in use by disk ${user.values['slot']}`);
  }

  private row(entry: TreeEntry, type = typeOf(entry)): Row {
    const fileId = this.array.fileId(entry.name);
    const values = new Map<string, Value>([
      ['.id', id(fileId)],
      ['name', str(entry.name)],
      ['type', str(type)],
    ]);
    if (entry.kind === 'file') values.set('size', num(entry.sizeBytes));
    values.set('last-modified', str(stamp(entry.modified)));
    if (
      entry.kind === 'file' &&
      entry.sizeBytes <= CONTENTS_LIMIT &&
      entry.sizeBytes > 0n &&
      !entry.name.endsWith('.img')
    ) {
      values.set('contents', str(this.array.files.readContents(entry.name)));
    }
    return { id: fileId, name: entry.name, values, flags: '', columns: COLUMNS, hidden: new Set(['contents']) };
  }
}

function typeOf({ kind, name }: TreeEntry): string {
  if (kind === 'directory') return 'directory';
  const extension = /[^/](\.[^./]+)$/.exec(name)?.[1];
  return extension === undefined ? 'file' : `${extension} file`;
}
