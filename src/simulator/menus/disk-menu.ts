import { Refusal } from '../script/errors';
import { textOf, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import { fileName } from '../state/file-tree';
import type { DiskRecord } from '../state/state-file';
import { diskRow } from './disk-row';
import type { Change, Menu, Row } from './row';

/** `/disk`: pools, and disks that are files in them. */
export class DiskMenu implements Menu {
  readonly path = '/disk';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    return this.array.disks.map((disk) => diskRow(this.array, disk));
  }

  add(given: ReadonlyMap<string, Value>): string {
    const values = texts(given);
    if (values['type'] !== 'file') throw new Refusal(`failure: type=${values['type']} is not simulated`);
    if (values['file-path'] === undefined) throw new Refusal('failure: file-path must be set');
    const name = fileName(values['file-path'], 'file-path');
    const slot = values['slot'] ?? this.defaultSlot();
    this.checkSlot(slot);
    const size = this.array.allocate(name, values['file-size'] === undefined ? undefined : BigInt(values['file-size']));
    const fixed = values['slot'] === undefined ? { 'slot-default': slot } : {};
    const disk = this.array.addDisk(
      { ...values, slot, 'file-path': `/${name}`, 'file-size': size.toString() },
      { ...fixed },
    );
    this.array.write('disk,info', `disk ${slot} added`);
    return disk.id;
  }

  set(row: Row, { values: given, taken }: Change): void {
    const disk = this.disk(row);
    const values = texts(given);
    this.checkChange(disk, values);
    const size = values['file-size'];
    if (size !== undefined)
      values['file-size'] = this.array.allocate(disk.values['file-path'] ?? '', BigInt(size)).toString();
    Object.assign(disk.values, values);
    for (const name of taken) takeBack(disk, name);
    this.array.save();
  }

  remove(row: Row): void {
    const disk = this.disk(row);
    const mountPoint = disk.fixed['mount-point'];
    if (disk.values['type'] === 'hardware') throw new Refusal('failure: can not remove hardware disk');
    const isUsed = ({ values }: DiskRecord) =>
      values['type'] === 'file' && values['file-path']?.startsWith(`/${mountPoint}/`);
    if (mountPoint !== undefined && this.array.disks.some(isUsed)) throw new Refusal('failure: disk is in use');
    this.array.removeDisk(disk.id);
    this.array.write('disk,info', `disk ${row.name} removed`);
  }

  private disk(row: Row): DiskRecord {
    const disk = this.array.disks.find(({ id }) => id === row.id);
    if (!disk) throw new Refusal('no such item (4)');
    return disk;
  }

  private checkSlot(slot: string): void {
    if (slot === '') throw new Refusal('invalid value for argument slot', 'slot');
    if (this.array.findDisk(slot)) throw new Refusal('failure: disk with this slot already exists');
  }

  private checkChange(disk: DiskRecord, values: Record<string, string>): void {
    const slot = values['slot'];
    if (slot !== undefined && slot !== disk.values['slot']) this.checkSlot(slot);
    const isFile = disk.values['type'] === 'file';
    for (const name of ['type', 'file-path']) {
      const same = (values[name] ?? '').replace(/^\//, '') === (disk.values[name] ?? '').replace(/^\//, '');
      if (values[name] !== undefined && !same) throw new Refusal(`failure: ${name} can not be changed`);
    }
    if (values['file-path'] !== undefined) delete values['file-path'];
    const size = values['file-size'];
    if (size === undefined) return;
    if (!isFile) throw new Refusal('failure: file-size can only be set for type=file');
    if (BigInt(size) < BigInt(disk.values['file-size'] ?? '0'))
      throw new Refusal('failure: file-size can not be reduced');
  }

  private defaultSlot(): string {
    for (let number = 1; ; number += 1) if (!this.array.findDisk(`file${number}`)) return `file${number}`;
  }
}

const NEVER_TAKEN = new Set(['type', 'slot', 'file-path', 'file-size']);

function takeBack(disk: DiskRecord, name: string): void {
  if (NEVER_TAKEN.has(name)) throw new Refusal(`failure: ${name} can not be unset`);
  delete disk.values[name];
}

/** As they are kept: yes and no, sizes in bytes. */
function texts(values: ReadonlyMap<string, Value>): Record<string, string> {
  const written = (value: Value) => (value.type === 'bool' ? (value.value ? 'yes' : 'no') : textOf(value));
  return Object.fromEntries([...values].map(([name, value]) => [name, written(value)]));
}
