import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { Refusal } from '../script/errors';
import { bool, id, num, str, textOf, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import { fileName } from '../state/file-tree';
import type { DiskRecord, SubvolumeRecord } from '../state/state-file';
import type { Menu, Row } from './row';

const ROOT = '<FS_ROOT>';

function btrfsPools(array: DiskArray): readonly DiskRecord[] {
  return array.pools.filter(({ fixed }) => fixed['fs'] === 'btrfs');
}

/** `/disk/btrfs/filesystem`: one for each mounted pool of that kind. */
export class BtrfsFilesystemMenu implements Menu {
  readonly path = '/disk/btrfs/filesystem';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    return btrfsPools(this.array).map((pool) => {
      const label = pool.fixed['fs-label'] ?? '';
      const values = new Map<string, Value>([
        ['.id', id(pool.id)],
        ['label', str(label)],
        ['devs', str(pool.values['slot'] ?? '')],
        ['uuid', str(pool.fixed['fs-uuid'] ?? '')],
        ['default-subvolume', str(ROOT)],
      ]);
      return { id: pool.id, name: label, values, flags: '', columns: ['label', 'devs', 'uuid'], hidden: new Set() };
    });
  }
}

/** `/disk/btrfs/subvolume`: folders of a pool; with `parent`, a copy that shares what its parent holds. */
export class BtrfsSubvolumeMenu implements Menu {
  readonly path = '/disk/btrfs/subvolume';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    const roots = btrfsPools(this.array).map((pool) => this.rootRow(pool));
    return [...roots, ...this.array.subvolumes.map((each) => this.row(each))];
  }

  add(given: ReadonlyMap<string, Value>): string {
    const pool = this.pool(textOf(given.get('fs') ?? str('')));
    const slot = pool.values['slot'] ?? '';
    const name = fileName(textOf(given.get('name') ?? str('')), 'name');
    const path = `${pool.fixed['mount-point']}/${name}`;
    if (this.array.files.find(path)) throw new Refusal('failure: subvolume already exists');
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (this.array.files.find(folder)?.kind !== 'directory') throw new Refusal('failure: no such directory');
    const parent = textOf(given.get('parent') ?? str(''));
    if (parent === '') this.array.files.makeDirectory(path);
    else this.copy(slot, parent, path);
    const created = new Date().toISOString().slice(0, 19).replace('T', ' ');
    const readOnly = textOf(given.get('read-only') ?? str('')) === 'true';
    return this.array.addSubvolume({ pool: slot, name, parent, readOnly, created }).id;
  }

  remove(row: Row): void {
    const subvolume = this.array.subvolumes.find((each) => each.id === row.id);
    if (!subvolume) throw new Refusal('failure: can not remove the root subvolume');
    const path = this.folderOf(subvolume.pool, subvolume.name);
    const used = this.array.files.list(path).some(({ name }) => this.array.findUserOf(name));
    if (used) throw new Refusal('failure: subvolume is in use');
    rmSync(this.array.files.real(path), { recursive: true, force: true });
    this.array.removeSubvolume(row.id);
  }

  private pool(label: string): DiskRecord {
    const pool = btrfsPools(this.array).find(({ fixed }) => fixed['fs-label'] === label);
    if (!pool) throw new Refusal('input does not match any value of fs', 'fs');
    return pool;
  }

  private folderOf(slot: string, name: string): string {
    return `${this.array.findDisk(slot)?.fixed['mount-point']}/${name}`;
  }

  private copy(slot: string, parent: string, path: string): void {
    const known = this.array.subvolumes.some((each) => each.pool === slot && each.name === parent);
    if (!known) throw new Refusal('input does not match any value of parent', 'parent');
    const from = this.array.files.real(this.folderOf(slot, parent));
    // cp knows how to leave holes out and how to share blocks where the host's file system can
    execFileSync('cp', ['-a', '--reflink=auto', '--sparse=always', '--', from, this.array.files.real(path)]);
  }

  private rootRow(pool: DiskRecord): Row {
    const values = new Map<string, Value>([
      ['.id', id(`${pool.id}0000`)],
      ['fs', str(pool.fixed['fs-label'] ?? '')],
      ['name', str(ROOT)],
      ['top-level', str('')],
      ['default', bool(true)],
    ]);
    return this.shown(values, '*');
  }

  private row(subvolume: SubvolumeRecord): Row {
    const isSnapshot = subvolume.parent !== '';
    const snapshots = this.array.subvolumes.filter(
      (each) => each.pool === subvolume.pool && each.parent === subvolume.name,
    );
    const values = new Map<string, Value>([
      ['.id', id(subvolume.id)],
      ['fs', str(this.array.findDisk(subvolume.pool)?.fixed['fs-label'] ?? '')],
      ...(isSnapshot ? [['parent', str(subvolume.parent)] as const] : []),
      ['name', str(subvolume.name)],
      ['read-only', bool(subvolume.readOnly)],
      [
        'top-level',
        str(subvolume.name.includes('/') ? subvolume.name.slice(0, subvolume.name.lastIndexOf('/')) : ROOT),
      ],
      ['fullname', str(subvolume.name)],
      ['uuid', str(subvolume.uuid)],
      ['creation-time', str(subvolume.created)],
      ['subvolume-id', num(BigInt(256 + Number.parseInt(subvolume.id.slice(1), 16)))],
      ['snapshot', bool(isSnapshot)],
      ['snapshots', str(snapshots.map(({ name }) => name).join(','))],
    ]);
    return this.shown(values, `${isSnapshot ? 'S' : ''}${subvolume.readOnly ? 'r' : ''}`);
  }

  private shown(values: ReadonlyMap<string, Value>, flags: string): Row {
    const text = (name: string) => textOf(values.get(name) ?? str(''));
    const columns = ['fs', 'parent', 'name', 'top-level', 'creation-time'];
    return {
      id: text('.id'),
      name: text('name'),
      values,
      flags,
      columns,
      hidden: new Set(['default', 'snapshot', 'read-only']),
    };
  }
}
