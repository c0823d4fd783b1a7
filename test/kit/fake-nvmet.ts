import type { ConfigFolder } from '../../src/simulator/exports/configfs';

interface Entry {
  readonly kind: 'folder' | 'attribute' | 'link';
  value: string;
}

/** The kernel's own rules of nvmet, Linux 6.1 (drivers/nvme/target/configfs.c), in memory; whatever breaks one fails as there. */
export class FakeNvmet implements ConfigFolder {
  /** All that was done, in order, e.g. `write subsystems/x/namespaces/1/enable 0`. */
  readonly done: string[] = [];
  /** Real paths of files on a file system that knows no direct I/O. */
  readonly withoutDirectIo = new Set<string>();
  /** `address:port` at which something else listens. */
  readonly taken = new Set<string>();
  private readonly entries = new Map<string, Entry>();

  constructor() {
    for (const folder of ['subsystems', 'ports', 'hosts']) this.put(folder, 'folder');
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  list(folder: string): readonly string[] {
    const below = [...this.entries.keys()].filter((name) => name.startsWith(`${folder}/`));
    return below
      .map((name) => name.slice(folder.length + 1))
      .filter((name) => !name.includes('/'))
      .toSorted();
  }

  read(attribute: string): string {
    const entry = this.entries.get(attribute);
    if (entry?.kind !== 'attribute') throw failure('ENOENT', attribute);
    return entry.value;
  }

  write(attribute: string, value: string): void {
    const entry = this.entries.get(attribute);
    if (entry?.kind !== 'attribute') throw failure('ENOENT', attribute);
    this.check(attribute, value);
    entry.value = value;
    this.done.push(`write ${attribute} ${value}`);
  }

  makeFolder(folder: string): void {
    if (this.has(folder)) throw failure('EEXIST', folder);
    const [kind = '', , group] = folder.split('/');
    if (!this.has(parentOf(folder))) throw failure('ENOENT', folder);
    this.put(folder, 'folder');
    if (group === 'namespaces')
      this.attributes(folder, { device_path: '', device_uuid: '', buffered_io: '0', enable: '0', revalidate_size: '' });
    else if (kind === 'subsystems') {
      this.attributes(folder, { attr_serial: 'random', attr_allow_any_host: '0' });
      for (const own of ['namespaces', 'allowed_hosts']) this.put(`${folder}/${own}`, 'folder');
    } else if (kind === 'ports') {
      this.attributes(folder, { addr_trtype: '', addr_adrfam: '', addr_traddr: '', addr_trsvcid: '' });
      this.put(`${folder}/subsystems`, 'folder');
    }
    this.done.push(`mkdir ${folder}`);
  }

  removeFolder(folder: string): void {
    if (this.entries.get(folder)?.kind !== 'folder') throw failure('ENOENT', folder);
    const isTarget = [...this.entries.values()].some(({ kind, value }) => kind === 'link' && value === folder);
    if (isTarget) throw failure('EBUSY', folder);
    const groups = ['namespaces', 'allowed_hosts', 'subsystems'];
    if (groups.some((group) => this.list(`${folder}/${group}`).length > 0)) throw failure('ENOTEMPTY', folder);
    for (const name of this.entries.keys()) if (name.startsWith(`${folder}/`)) this.entries.delete(name);
    this.entries.delete(folder);
    this.done.push(`rmdir ${folder}`);
  }

  link(name: string, to: string): void {
    if (this.has(name)) throw failure('EEXIST', name);
    if (!this.has(parentOf(name)) || !this.has(to)) throw failure('ENOENT', name);
    const [kind, owner] = name.split('/');
    if (kind === 'subsystems' && this.read(`subsystems/${owner}/attr_allow_any_host`) === '1')
      throw failure('EINVAL', name);
    if (kind === 'ports') {
      const address = `${this.read(`ports/${owner}/addr_traddr`)}:${this.read(`ports/${owner}/addr_trsvcid`)}`;
      if (this.taken.has(address)) throw failure('EADDRINUSE', name);
    }
    this.entries.set(name, { kind: 'link', value: to });
    this.done.push(`link ${name}`);
  }

  unlink(name: string): void {
    if (this.entries.get(name)?.kind !== 'link') throw failure('ENOENT', name);
    this.entries.delete(name);
    this.done.push(`unlink ${name}`);
  }

  /** Everything but the three folders that are always there. */
  left(): readonly string[] {
    return [...this.entries.keys()].filter((name) => name.includes('/'));
  }

  private check(attribute: string, value: string): void {
    const folder = parentOf(attribute);
    const name = attribute.slice(folder.length + 1);
    const enabled = this.entries.get(`${folder}/enable`)?.value === '1';
    if (['device_path', 'device_uuid', 'buffered_io'].includes(name) && enabled) throw failure('EBUSY', attribute);
    if (name === 'revalidate_size' && !enabled) throw failure('EINVAL', attribute);
    if (name.startsWith('addr_') && this.list(`${folder}/subsystems`).length > 0) throw failure('EACCES', attribute);
    if (name === 'attr_allow_any_host' && value === '1' && this.list(`${folder}/allowed_hosts`).length > 0) {
      throw failure('EINVAL', attribute);
    }
    if (name !== 'enable' || value !== '1') return;
    const file = this.read(`${folder}/device_path`);
    if (file === '') throw failure('EINVAL', attribute);
    if (this.withoutDirectIo.has(file) && this.read(`${folder}/buffered_io`) === '0')
      throw failure('EINVAL', attribute);
  }

  private attributes(folder: string, values: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(values)) this.put(`${folder}/${name}`, 'attribute', value);
  }

  private put(name: string, kind: Entry['kind'], value = ''): void {
    this.entries.set(name, { kind, value });
  }
}

function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}

function failure(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: ${name}`), { code });
}
