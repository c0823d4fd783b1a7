import type { LoggedScript } from './knobs/command-log';
import type { FaultRequest } from './knobs/faults';
import { HttpApi } from './knobs/http-api';
import type { LatencyRequest } from './knobs/latency';
import type { OrphanRequest } from './knobs/orphans';
import { findBytes } from './script/value';
import { SimulatorCore, type SimulatorState } from './simulator';
import type { PoolOptions } from './state/array';
import type { ConnectOutcome, Session } from './state/nvme-target';

export type { ExportState } from './exports/exporter';
export type { LoggedCommand, LoggedScript } from './knobs/command-log';
export type { FaultRequest, FaultState } from './knobs/faults';
export type { LatencyRequest } from './knobs/latency';
export type { OrphanRequest } from './knobs/orphans';
export { MANUAL } from './manual';
export type { SimulatorState } from './simulator';
export type { PoolOptions } from './state/array';
export type { ConnectOutcome, Session } from './state/nvme-target';

export interface SimulatorOptions {
  /** Where disks, files and the host key are kept; made if it is not there. One simulator at a time. */
  readonly stateDir: string;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 0: any free one. It stays the same over stop and start. */
  readonly sshPort?: number | undefined;
  /** Undefined: no HTTP API; 0: any free port. */
  readonly httpPort?: number | undefined;
  /** Default `admin`. */
  readonly user?: string | undefined;
  /** Without a password and without keys the password is empty, as on a new device. */
  readonly password?: string | undefined;
  /** Lines as in authorized_keys. */
  readonly authorizedKeys?: readonly string[] | undefined;
  /** Default `RDS`. */
  readonly identity?: string | undefined;
  /** Default: `storage-pool`, btrfs, 1 TiB, with the directory `metal-csi`. */
  readonly pools?: readonly PoolOptions[] | undefined;
  /** `nvmet`: the kernel of this machine really exports what RouterOS would; takes root. Default `none`. */
  readonly exports?: 'none' | 'nvmet' | undefined;
  /** IP address of the data network for that; default 127.0.0.1. */
  readonly exportsAddress?: string | undefined;
  readonly latency?: LatencyRequest | undefined;
  readonly faults?: readonly FaultRequest[] | undefined;
}

/** What can be done to a running simulator. */
export interface SimulatorKnobs {
  /** Runs a script as an exec does, past SSH. Returns what it printed; undefined if a fault left no answer. */
  execute(script: string): Promise<string | undefined>;
  /** Returns the number by which the fault can be taken back. Throws if a setting is wrong. */
  addFault(request: FaultRequest): number;
  removeFault(id: number): boolean;
  clearFaults(): void;
  setLatency(request: LatencyRequest): void;
  /** No pool gives another byte. */
  setOutOfSpace(outOfSpace: boolean): void;
  /** What connections from now on meet. */
  setConnectionMode(mode: 'accept' | 'refuse' | 'reset' | 'hang'): Promise<void>;
  resetConnections(): void;
  /** Existing connections become half-open. */
  hangConnections(): void;
  addOrphan(request: OrphanRequest): void;
  /** A host of this NQN connects to the export of a slot over NVMe/TCP, as far as that is simulated: it is let in, or not. */
  connectHost(request: { readonly slot: string; readonly hostNqn: string }): ConnectOutcome;
  /** The host of a session lets go of it. Returns false if there is none of this number. */
  disconnectHost(id: number): boolean;
  /** Sessions that are live. */
  listSessions(): readonly Session[];
  /** As if the power went off. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Resolves when it is up again. */
  reboot(downMs?: number): Promise<void>;
  state(): SimulatorState;
  /** Scripts that were run or refused, after the one of that number. */
  commandsSince(sequence?: number): readonly LoggedScript[];
}

export interface Simulator {
  readonly sshPort: number;
  readonly httpPort: number | undefined;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** `SHA256:…`. */
  readonly fingerprint: string;
  readonly knobs: SimulatorKnobs;
  close(): Promise<void>;
}

/** The pool that a simulator has unless it is told otherwise. */
export const DEFAULT_POOL: PoolOptions = {
  slot: 'storage-pool',
  sizeBytes: 2n ** 40n,
  fileSystem: 'btrfs',
  directories: ['metal-csi'],
};

/** Bytes of `1TiB`, `500G`, `1048576`. Throws if it is none. */
export function parseSize(text: string): bigint {
  const bytes = findBytes(text);
  if (bytes === undefined || bytes <= 0n) throw new Error(`${text} is not a size, e.g. 10GiB`);
  return bytes;
}

/** Starts a simulator; resolves when it accepts connections. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { host = '127.0.0.1', sshPort = 0, user = 'admin', identity = 'RDS', pools = [DEFAULT_POOL] } = options;
  const { stateDir, password, authorizedKeys = [] } = options;
  const { exports = 'none', exportsAddress = '127.0.0.1' } = options;
  const nvmetAddress = exports === 'nvmet' ? exportsAddress : undefined;
  const settings = { stateDir, host, sshPort, user, password, authorizedKeys, identity, pools, nvmetAddress };
  const core = new SimulatorCore(settings);
  if (options.latency) core.setLatency(options.latency);
  for (const fault of options.faults ?? []) core.addFault(fault);
  const http = options.httpPort === undefined ? undefined : new HttpApi(core);
  const close = async (): Promise<void> => {
    await core.close();
    await http?.close();
  };
  try {
    await core.start();
    const httpPort = await http?.listen(options.httpPort ?? 0);
    const { publicLine: hostKey, fingerprint } = core.hostKey;
    return { sshPort: core.sshPort, httpPort, user, hostKey, fingerprint, knobs: core, close };
  } catch (error) {
    await core.close();
    throw error;
  }
}
