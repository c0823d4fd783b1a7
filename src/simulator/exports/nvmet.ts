import path from 'node:path';
import { hasCode } from '../error-code';
import type { ConfigFolder } from './configfs';
import type { WantedExport } from './wanted';

/** Where the kernel's NVMe target is configured. */
export const NVMET_ROOT = '/sys/kernel/config/nvmet';

/** The one namespace of a subsystem: a disk. */
const NAMESPACE = 'namespaces/1';
/** Of nvmet's ports; more than anybody has. */
const MOST_PORTS = 1_024;

export interface NvmetOptions {
  readonly config: ConfigFolder;
  /** IP address that ports listen on. */
  readonly address: string;
  /** The real folder that the paths of backing files are below of; files in it are this array's own. */
  readonly filesRoot: string;
}

/** Exports over NVMe/TCP by the kernel's own target: subsystems with one namespace each, on the backing files. */
export class Nvmet {
  private readonly made = new Map<string, WantedExport>();
  private readonly ports = new Set<string>();
  private readonly config: ConfigFolder;

  /** Throws an Error if the kernel has no target, or not over TCP. */
  constructor(private readonly options: NvmetOptions) {
    this.config = options.config;
    if (!this.config.has('subsystems')) {
      throw new Error(
        `exports=nvmet: the kernel has no NVMe target at ${NVMET_ROOT} ` +
          `(modprobe nvmet nvmet-tcp; mount -t configfs none /sys/kernel/config)`,
      );
    }
  }

  /** NQNs that are exported now. */
  get exported(): readonly string[] {
    return [...this.made.keys()];
  }

  /** Takes away what an array of the same files, whose process was killed, has left in the kernel. */
  sweep(): void {
    for (const nqn of this.config.list('subsystems')) {
      const attribute = `subsystems/${nqn}/${NAMESPACE}/device_path`;
      if (!this.config.has(attribute)) continue;
      if (!this.config.read(attribute).startsWith(`${this.options.filesRoot}/`)) continue;
      for (const port of this.config.list('ports')) {
        if (this.config.has(`ports/${port}/subsystems/${nqn}`)) this.ports.add(port);
      }
      this.takeAway(nqn);
    }
  }

  /** Exports it, or changes its export to what is wanted now. Throws with nothing of it left if the kernel refuses. */
  ensure(wanted: WantedExport): void {
    const before = this.made.get(wanted.nqn);
    if (before && !isSameTarget(before, wanted)) this.remove(wanted.nqn);
    if (!this.made.has(wanted.nqn)) return this.create(wanted);
    if (before && before.host !== wanted.host) this.setHost(wanted);
    if (before && before.sizeBytes !== wanted.sizeBytes) {
      this.config.write(`subsystems/${wanted.nqn}/${NAMESPACE}/revalidate_size`, '1');
    }
    this.made.set(wanted.nqn, wanted);
  }

  /** Ends its sessions and takes it out of the kernel. Nothing there: done. */
  remove(nqn: string): void {
    if (!this.made.has(nqn)) return;
    this.takeAway(nqn);
    this.made.delete(nqn);
  }

  private create(wanted: WantedExport): void {
    const { nqn, fileOffset, serial } = wanted;
    requireName(nqn);
    if (fileOffset !== '0') throw new Error('a file-offset cannot be exported');
    const subsystem = `subsystems/${nqn}`;
    // Somebody else's of that name is not touched: this throws.
    this.config.makeFolder(subsystem);
    try {
      this.config.write(`${subsystem}/attr_serial`, serial);
      this.setHost(wanted);
      this.enable(wanted);
      this.config.link(`ports/${this.ensurePort(wanted.port)}/subsystems/${nqn}`, subsystem);
    } catch (error) {
      this.takeAway(nqn);
      this.removeUnusedPorts();
      throw error;
    }
    this.made.set(nqn, wanted);
  }

  private enable({ nqn, filePath, uuid }: WantedExport): void {
    const namespace = `subsystems/${nqn}/${NAMESPACE}`;
    this.config.makeFolder(namespace);
    this.config.write(`${namespace}/device_path`, path.join(this.options.filesRoot, filePath));
    this.config.write(`${namespace}/device_uuid`, uuid);
    try {
      this.config.write(`${namespace}/enable`, '1');
    } catch (error) {
      // The file system knows no direct I/O: tmpfs.
      if (!hasCode(error, 'EINVAL')) throw error;
      this.config.write(`${namespace}/buffered_io`, '1');
      this.config.write(`${namespace}/enable`, '1');
    }
  }

  /** Who may connect from now on. Sessions that are there go on, as the kernel has it. */
  private setHost({ nqn, host }: WantedExport): void {
    const subsystem = `subsystems/${nqn}`;
    const others = this.config.list(`${subsystem}/allowed_hosts`);
    if (host !== undefined) {
      requireName(host);
      this.config.write(`${subsystem}/attr_allow_any_host`, '0');
      if (!this.config.has(`hosts/${host}`)) this.config.makeFolder(`hosts/${host}`);
      this.config.link(`${subsystem}/allowed_hosts/${host}`, `hosts/${host}`);
    }
    for (const other of others) this.removeHost(nqn, other);
    if (host === undefined) this.config.write(`${subsystem}/attr_allow_any_host`, '1');
  }

  private removeHost(nqn: string, host: string): void {
    this.config.unlink(`subsystems/${nqn}/allowed_hosts/${host}`);
    const isUsed = this.config
      .list('subsystems')
      .some((other) => this.config.list(`subsystems/${other}/allowed_hosts`).includes(host));
    if (!isUsed) this.config.removeFolder(`hosts/${host}`);
  }

  /** First off its ports, so that nobody sees the namespace go: I/O waits for it to come back instead of failing. */
  private takeAway(nqn: string): void {
    const subsystem = `subsystems/${nqn}`;
    for (const port of this.config.list('ports')) {
      if (!this.config.has(`ports/${port}/subsystems/${nqn}`)) continue;
      this.config.unlink(`ports/${port}/subsystems/${nqn}`);
    }
    this.removeUnusedPorts();
    for (const host of this.config.list(`${subsystem}/allowed_hosts`)) this.removeHost(nqn, host);
    if (this.config.has(`${subsystem}/${NAMESPACE}`)) {
      this.config.write(`${subsystem}/${NAMESPACE}/enable`, '0');
      this.config.removeFolder(`${subsystem}/${NAMESPACE}`);
    }
    this.config.removeFolder(subsystem);
  }

  /** Those that this process has made, or found and used. */
  private removeUnusedPorts(): void {
    for (const port of this.ports) {
      if (this.config.list(`ports/${port}/subsystems`).length > 0) continue;
      this.config.removeFolder(`ports/${port}`);
      this.ports.delete(port);
    }
  }

  /** The port of nvmet that listens there; made if there is none. */
  private ensurePort(port: number): string {
    const name = this.findPort(port) ?? this.makePort(port);
    this.ports.add(name);
    return name;
  }

  private findPort(port: number): string | undefined {
    const expected = { addr_trtype: 'tcp', addr_traddr: this.options.address, addr_trsvcid: `${port}` };
    return this.config
      .list('ports')
      .find((name) =>
        Object.entries(expected).every(
          ([attribute, value]) => this.config.read(`ports/${name}/${attribute}`) === value,
        ),
      );
  }

  private makePort(port: number): string {
    const { address } = this.options;
    const there = this.config.list('ports');
    for (let number = 1; number <= MOST_PORTS; number += 1) {
      if (there.includes(`${number}`)) continue;
      const folder = `ports/${number}`;
      this.config.makeFolder(folder);
      this.config.write(`${folder}/addr_trtype`, 'tcp');
      this.config.write(`${folder}/addr_adrfam`, address.includes(':') ? 'ipv6' : 'ipv4');
      this.config.write(`${folder}/addr_traddr`, address);
      this.config.write(`${folder}/addr_trsvcid`, `${port}`);
      return `${number}`;
    }
    throw new Error(`the kernel has ${MOST_PORTS} ports of its NVMe target already`);
  }
}

/** What may be the name of an object in configfs. */
function requireName(name: string): void {
  if (/^[^/\0]{1,223}$/.test(name) && name !== '.' && name !== '..') return;
  throw new Error(`${JSON.stringify(name)} is no name of a subsystem or a host`);
}

/** Whether a host would still see the same device at the same place. */
function isSameTarget(one: WantedExport, other: WantedExport): boolean {
  return one.uuid === other.uuid && one.port === other.port && one.filePath === other.filePath;
}
