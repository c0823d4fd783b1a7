import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { Refusal } from '../script/errors';
import { FileTree, fileName } from './file-tree';
import { NvmeTarget } from './nvme-target';
import { type ArrayState, type DiskRecord, StateFile, type SubvolumeRecord } from './state-file';

/** A pool that a new simulator has. */
export interface PoolOptions {
  readonly slot: string;
  readonly sizeBytes: bigint;
  readonly fileSystem: 'btrfs' | 'xfs';
  /** Relative to the pool. */
  readonly directories: readonly string[];
}

export interface LogEntry {
  readonly id: string;
  readonly time: Date;
  readonly topics: string;
  readonly message: string;
}

const LOG_LIMIT = 1000;

/** The simulated array: its items, its files and its log. Whatever changes it is on the disk before the call returns. */
export class DiskArray {
  readonly files: FileTree;
  readonly log: LogEntry[] = [];
  /** The knob: no pool gives another byte. */
  outOfSpace = false;
  /** Who is connected to what. */
  readonly nvme = new NvmeTarget(() => this.disks);
  private readonly stateFile: StateFile;
  private readonly state: ArrayState;
  private readonly fileIds = new Map<string, string>();
  private nextFileId = 1;
  private nextLogId = 1;
  private readonly observers: (() => void)[] = [];

  constructor(options: { readonly folder: string; readonly pools: readonly PoolOptions[]; readonly identity: string }) {
    this.stateFile = new StateFile(options.folder);
    this.files = new FileTree(path.join(options.folder, 'files'));
    const old = this.stateFile.read();
    this.state = old ?? { version: 1, identity: options.identity, nextId: 1, disks: [], subvolumes: [] };
    for (const pool of options.pools) this.ensurePool(pool);
    this.save();
  }

  get identity(): string {
    return this.state.identity;
  }

  set identity(name: string) {
    this.state.identity = name;
    this.save();
  }

  get disks(): readonly DiskRecord[] {
    return this.state.disks;
  }

  get subvolumes(): readonly SubvolumeRecord[] {
    return this.state.subvolumes;
  }

  write(topics: string, message: string): void {
    const id = `*${(this.nextLogId++).toString(16).toUpperCase()}`;
    this.log.push({ id, time: new Date(), topics, message });
    if (this.log.length > LOG_LIMIT) this.log.shift();
  }

  save(): void {
    this.stateFile.write(this.state);
    this.nvme.review();
    for (const observe of this.observers) observe();
  }

  /** Calls it after each change from now on, once that is on the disk. */
  observe(observer: () => void): void {
    this.observers.push(observer);
  }

  addDisk(values: Record<string, string>, fixed: Record<string, string>): DiskRecord {
    const disk: DiskRecord = { id: this.newId(), values, fixed };
    this.state.disks.push(disk);
    this.save();
    return disk;
  }

  removeDisk(id: string): void {
    this.state.disks = this.state.disks.filter((disk) => disk.id !== id);
    this.save();
  }

  addSubvolume(subvolume: Omit<SubvolumeRecord, 'id' | 'uuid'>): SubvolumeRecord {
    const record = { ...subvolume, id: this.newId(), uuid: randomUUID() };
    this.state.subvolumes.push(record);
    this.save();
    return record;
  }

  removeSubvolume(id: string): void {
    this.state.subvolumes = this.state.subvolumes.filter((each) => each.id !== id);
    this.save();
  }

  findDisk(slot: string): DiskRecord | undefined {
    return this.state.disks.find((disk) => disk.values['slot'] === slot);
  }

  /** The disk whose backing file this is. */
  findUserOf(name: string): DiskRecord | undefined {
    return this.state.disks.find(
      ({ values }) => values['type'] === 'file' && (values['file-path'] ?? '').replace(/^\//, '') === name,
    );
  }

  /** Mounted pools, by the first segment of their files' names. */
  findPool(name: string): DiskRecord | undefined {
    const [mountPoint = ''] = name.split('/');
    return this.pools.find((disk) => disk.fixed['mount-point'] === mountPoint);
  }

  get pools(): readonly DiskRecord[] {
    return this.state.disks.filter(
      ({ values, fixed }) =>
        fixed['mount-point'] !== undefined && values['disabled'] !== 'yes' && values['mount-filesystem'] !== 'no',
    );
  }

  /** Full sizes of all files count, though they are sparse; what a snapshot shares does not. */
  freeBytes(pool: DiskRecord): bigint {
    if (this.outOfSpace) return 0n;
    const mountPoint = pool.fixed['mount-point'] ?? '';
    const snapshots = this.subvolumes
      .filter((each) => each.pool === pool.values['slot'] && each.parent !== '')
      .map((each) => `${mountPoint}/${each.name}/`);
    const used = this.files
      .list(mountPoint)
      .filter(({ name }) => !snapshots.some((snapshot) => name.startsWith(snapshot)))
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
    const free = BigInt(pool.fixed['size'] ?? '0') - used;
    return free > 0n ? free : 0n;
  }

  /** Makes a file of at least `sizeBytes`, or throws Refusal. A larger one is left as it is. Returns its size then. */
  allocate(filePath: string, sizeBytes: bigint | undefined): bigint {
    const name = fileName(filePath, 'file-path');
    const pool = this.findPool(name);
    const folder = name.slice(0, Math.max(name.lastIndexOf('/'), 0));
    if (!pool || this.files.find(folder)?.kind !== 'directory') {
      throw new Refusal(`failure: could not create file: no such directory /${folder}`);
    }
    const file = this.files.find(name);
    if (file?.kind === 'directory') throw new Refusal('failure: file-path is a directory');
    if (!file && sizeBytes === undefined) throw new Refusal('failure: file-size must be set for a new file');
    const before = file?.sizeBytes ?? 0n;
    const size = sizeBytes !== undefined && sizeBytes > before ? sizeBytes : before;
    if (size > before && size - before > this.freeBytes(pool)) throw new Refusal('failure: not enough space');
    this.files.grow(name, size);
    return size;
  }

  /** Files have no number of their own; one that is seen keeps the one that it got. */
  fileId(name: string): string {
    const known = this.fileIds.get(name);
    if (known !== undefined) return known;
    const id = `*${(this.nextFileId++).toString(16).toUpperCase()}`;
    this.fileIds.set(name, id);
    return id;
  }

  private newId(): string {
    return `*${(this.state.nextId++).toString(16).toUpperCase()}`;
  }

  private ensurePool({ slot, sizeBytes, fileSystem, directories }: PoolOptions): void {
    for (const directory of ['', ...directories])
      this.files.makeDirectory(fileName(path.posix.join(slot, directory), 'directory'));
    const old = this.findDisk(slot);
    if (old) {
      old.fixed['size'] = sizeBytes.toString();
      return;
    }
    const hex = (length: number) => randomUUID().replaceAll('-', '').slice(0, length);
    const values = { type: 'raid', slot, 'raid-type': '6', 'raid-device-count': '8', 'raid-chunk-size': '256K' };
    this.addDisk(
      { ...values, 'raid-max-component-size': 'none' },
      {
        'fs-label': `${slot}-fs`,
        'fs-uuid': randomUUID(),
        fs: fileSystem,
        model: 'RAID6 dual parity',
        size: sizeBytes.toString(),
        'mount-point': slot,
        state: 'clean',
        'raid-uuid': [hex(8), hex(8), hex(8), hex(8)].join('-'),
      },
    );
  }
}
