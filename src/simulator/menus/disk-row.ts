import { MANUAL } from '../manual';
import { argumentOf } from '../script/arguments';
import { bool, id, num, str, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import type { DiskRecord } from '../state/state-file';
import type { Row } from './row';

/** The order in which hardware shows them. */
const ORDER: readonly string[] = [
  'type slot slot-default parent fs-label fs-uuid fs model serial size free use mount-point mount-filesystem',
  'mount-read-only compress sector-size raid-type raid-device-count raid-max-component-size raid-chunk-size raid-master',
  'state raid-uuid nvme-tcp-export nvme-tcp-server-port nvme-tcp-server-nqn nvme-tcp-server-allow-host-name',
  'nvme-tcp-server-password iscsi-export iscsi-server-port iscsi-server-iqn nfs-sharing smb-sharing media-sharing',
  'media-interface swap file-path file-size file-offset comment disabled block-device mounted',
]
  .join(' ')
  .split(' ');
const COLUMNS = ['slot', 'mount-point', 'model', 'serial', 'size', 'free', 'use', 'fs'];
const HIDDEN = new Set(['comment', 'disabled', 'block-device', 'mounted']);

const DEFAULTS: Readonly<Record<string, string>> = {
  parent: '',
  'mount-filesystem': 'yes',
  'mount-read-only': 'no',
  compress: 'no',
  'raid-master': 'none',
  'nvme-tcp-export': 'no',
  'iscsi-export': 'no',
  'nfs-sharing': 'no',
  'smb-sharing': 'no',
  'media-sharing': 'no',
  'media-interface': 'none',
  swap: 'no',
  disabled: 'no',
};

/** Shown only once they were set, or with the export turned on. */
const EXPORT_DEFAULTS = (slot: string): Readonly<Record<string, string>> => ({
  'nvme-tcp-server-port': '4420',
  'nvme-tcp-server-nqn': slot,
  'nvme-tcp-server-allow-host-name': '',
});

function deviceValues(array: DiskArray, disk: DiskRecord): readonly (readonly [string, Value])[] {
  const values: (readonly [string, Value])[] = Object.entries(disk.fixed).map(([name, text]) => [
    name,
    name === 'size' ? num(BigInt(text)) : str(text),
  ]);
  values.push(['sector-size', num(512n)]);
  if (disk.values['type'] === 'file') values.push(...backingValues(array, disk));
  if (isMounted(disk)) {
    const size = BigInt(disk.fixed['size'] ?? '0');
    const free = array.freeBytes(disk);
    values.push(['free', num(free)], ['use', str(`${size === 0n ? 0n : ((size - free) * 100n) / size}%`)]);
  }
  return values;
}

function backingValues(array: DiskArray, disk: DiskRecord): readonly (readonly [string, Value])[] {
  const path = disk.values['file-path'] ?? '';
  const size = disk.values['file-size'] ?? '0';
  const values: (readonly [string, Value])[] = [
    ['fs', str('-')],
    ['model', str(path)],
    ['file-offset', num(BigInt(disk.values['file-offset'] ?? '0'))],
  ];
  if (array.files.find(path.slice(1))?.kind === 'file') values.push(['size', num(BigInt(size))]);
  return values;
}

/** Whether the disk's file system is mounted: a pool. */
function isMounted({ values, fixed }: DiskRecord): boolean {
  return fixed['mount-point'] !== undefined && values['disabled'] !== 'yes' && values['mount-filesystem'] !== 'no';
}

function flagsOf(values: ReadonlyMap<string, Value>): string {
  const flags = MANUAL['/disk']?.flags ?? [];
  const isSet = (name: string) => {
    const value = values.get(name);
    return value?.type === 'bool' && value.value;
  };
  return flags
    .filter(([, name]) => isSet(name))
    .map(([letter]) => letter)
    .join('');
}

/** A disk as `/disk` shows it. */
export function diskRow(array: DiskArray, disk: DiskRecord): Row {
  const manual = MANUAL['/disk'];
  if (!manual) throw new Error('the manual has no /disk');
  const slot = disk.values['slot'] ?? '';
  const exported = disk.values['nvme-tcp-export'] === 'yes' || 'nvme-tcp-server-nqn' in disk.values;
  const given = { ...DEFAULTS, ...(exported ? EXPORT_DEFAULTS(slot) : {}), ...disk.values };
  const all = new Map<string, Value>([
    ['slot-default', str('')],
    ['fs', str('-')],
    ...Object.entries(given).map(([name, text]) => [name, argumentOf(manual, name, str(text))] as const),
    ...deviceValues(array, disk),
  ]);
  const disabled = given['disabled'] === 'yes';
  all.set('block-device', bool(!disabled && all.has('size')));
  all.set('mounted', bool(isMounted(disk)));
  if (!isMounted(disk)) all.delete('mount-point');
  const ordered = ORDER.filter((name) => all.has(name)).map((name) => [name, all.get(name) ?? str('')] as const);
  const values = new Map<string, Value>([['.id', id(disk.id)], ...ordered]);
  return { id: disk.id, name: slot, values, flags: flagsOf(values), columns: COLUMNS, hidden: HIDDEN };
}
