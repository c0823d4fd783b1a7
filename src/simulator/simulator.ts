import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Console, type ConsoleParts } from './console';
import { openConfigFolder } from './exports/configfs';
import { Exporter, type ExportState } from './exports/exporter';
import { NVMET_ROOT, Nvmet } from './exports/nvmet';
import { CommandLog, type LoggedScript } from './knobs/command-log';
import { type FaultRequest, type FaultState, Faults } from './knobs/faults';
import { changedLatency, type Latency, type LatencyRequest, NO_LATENCY } from './knobs/latency';
import { type OrphanRequest, placeOrphan } from './knobs/orphans';
import { MenuEngine } from './menus/engine';
import { ROUTEROS_VERSION } from './menus/system-menus';
import { toByteString, toText } from './script/bytes';
import type { Box } from './script/runtime';
import { ensureHostKey, type HostKey } from './server/host-key';
import { SshServer } from './server/ssh-server';
import { type ConnectionMode, Wire } from './server/wire';
import { DiskArray, type PoolOptions } from './state/array';
import type { ConnectOutcome, Session } from './state/nvme-target';

export interface SimulatorSettings {
  /** Where everything is kept; made if it is not there. One simulator at a time. */
  readonly stateDir: string;
  readonly host: string;
  /** 0: any free one. */
  readonly sshPort: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly authorizedKeys: readonly string[];
  readonly identity: string;
  readonly pools: readonly PoolOptions[];
  /** IP address on which the kernel's own NVMe target exports what RouterOS would; undefined: nothing is exported. */
  readonly nvmetAddress: string | undefined;
}

/** A disk as tests look at it, past RouterOS. */
export interface DiskState {
  readonly id: string;
  /** Arguments that it was given, as text. */
  readonly values: Readonly<Record<string, string>>;
}

export interface SimulatorState {
  readonly up: boolean;
  readonly startedAt: string;
  readonly sshPort: number;
  readonly connectionMode: ConnectionMode;
  readonly connections: number;
  readonly outOfSpace: boolean;
  readonly latency: Latency;
  readonly faults: readonly FaultState[];
  /** Decimal strings: they may be larger than JSON's numbers. */
  readonly pools: readonly { readonly slot: string; readonly sizeBytes: string; readonly freeBytes: string }[];
  readonly disks: readonly DiskState[];
  /** Empty unless exports are real. */
  readonly exports: readonly ExportState[];
  readonly files: readonly { readonly name: string; readonly kind: 'file' | 'directory'; readonly sizeBytes: string }[];
}

/** A running simulator and everything that can be done to it. */
export class SimulatorCore {
  readonly hostKey: HostKey;
  readonly array: DiskArray;
  private readonly faults = new Faults();
  private readonly commandLog = new CommandLog();
  private readonly wire: Wire;
  private readonly globals = new Map<string, Map<string, Box>>();
  private readonly parts: ConsoleParts;
  private latency: Latency = NO_LATENCY;
  private power = new AbortController();
  private startedAt = new Date();
  private up = false;
  private closed = false;
  private readonly user: string;
  private readonly exporter: Exporter | undefined;

  constructor(settings: SimulatorSettings) {
    const { stateDir, pools, identity, user, password, authorizedKeys } = settings;
    this.array = new DiskArray({ folder: path.resolve(stateDir), pools, identity: toByteString(identity) });
    this.user = user;
    this.hostKey = ensureHostKey(path.resolve(stateDir));
    this.exporter = settings.nvmetAddress === undefined ? undefined : this.exporterOn(settings.nvmetAddress);
    this.array.observe(() => this.up && this.exporter?.follow(this.array.disks));
    this.parts = {
      array: this.array,
      engine: new MenuEngine(this.array, () => this.startedAt),
      faults: this.faults,
      commandLog: this.commandLog,
      latency: () => this.latency,
    };
    const ssh = new SshServer({
      hostKey: this.hostKey.privateKey,
      credentials: { user, password, authorizedKeys },
      banner: `\r\n  MikroTik RouterOS ${ROUTEROS_VERSION} (simulated)\r\n\r\n`,
      newConsole: (name, kind) => this.console(name, kind),
      onLogin: (name, how) => this.array.write('system,info,account', `user ${name} logged in via ${how}`),
    });
    this.wire = new Wire({ host: settings.host, port: settings.sshPort, serve: (socket) => ssh.inject(socket) });
  }

  get sshPort(): number {
    return this.wire.port;
  }

  /** Comes up as after a power cycle. Does nothing if it is up. */
  async start(): Promise<void> {
    if (this.up || this.closed) return;
    this.up = true;
    this.power = new AbortController();
    this.startedAt = new Date();
    this.globals.clear();
    this.array.log.length = 0;
    await this.wire.start();
    this.array.write('system,info', 'router rebooted');
    this.exporter?.follow(this.array.disks);
  }

  /** As if the power went off: scripts end where they are, connections are reset, nobody listens. */
  async stop(): Promise<void> {
    this.up = false;
    this.power.abort();
    this.array.nvme.dropAll();
    this.exporter?.down();
    await this.wire.stop();
  }

  /** Stops, and comes up again after a while. */
  async reboot(downMs = 0): Promise<void> {
    await this.stop();
    await delay(downMs);
    await this.start();
  }

  /** For good. */
  async close(): Promise<void> {
    this.closed = true;
    await this.stop();
  }

  /** Runs a script as an exec does, past SSH. Returns what it printed; undefined if a fault left no answer. */
  async execute(script: string): Promise<string | undefined> {
    const reply = await this.console(this.user, 'exec').execute(script);
    return reply.kind === 'text' ? toText(reply.text) : undefined;
  }

  addFault(request: FaultRequest): number {
    return this.faults.add(request);
  }

  removeFault(id: number): boolean {
    return this.faults.remove(id);
  }

  clearFaults(): void {
    this.faults.clear();
  }

  listFaults(): readonly FaultState[] {
    return this.faults.list();
  }

  setLatency(request: LatencyRequest): void {
    this.latency = changedLatency(this.latency, request);
  }

  setOutOfSpace(outOfSpace: boolean): void {
    this.array.outOfSpace = outOfSpace;
  }

  /** What connections from now on meet. */
  async setConnectionMode(mode: ConnectionMode): Promise<void> {
    await this.wire.setMode(mode);
  }

  resetConnections(): void {
    this.wire.resetAll();
  }

  /** Half-open: existing connections neither hear nor say anything any more. */
  hangConnections(): void {
    this.wire.hangAll();
  }

  addOrphan(request: OrphanRequest): void {
    placeOrphan(this.array, request);
  }

  /** A host connects to the export of a slot over NVMe/TCP, as far as that is simulated. */
  connectHost({ slot, hostNqn }: { readonly slot: string; readonly hostNqn: string }): ConnectOutcome {
    if (!this.up) return { outcome: 'refused', why: 'the device is down' };
    return this.array.nvme.connect({ slot: toByteString(slot), hostNqn: toByteString(hostNqn) });
  }

  /** The host of a session lets go of it. Returns false if there is none of this number. */
  disconnectHost(id: number): boolean {
    return this.array.nvme.disconnect(id);
  }

  /** Sessions that are live. */
  listSessions(): readonly Session[] {
    return this.array.nvme
      .list()
      .map((session) => ({ ...session, slot: toText(session.slot), hostNqn: toText(session.hostNqn) }));
  }

  /** Scripts that were run or refused, after the one of that number. */
  commandsSince(sequence = 0): readonly LoggedScript[] {
    return this.commandLog.since(sequence);
  }

  state(): SimulatorState {
    const readable = (values: Readonly<Record<string, string>>) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toText(value)]));
    return {
      up: this.up,
      startedAt: this.startedAt.toISOString(),
      sshPort: this.sshPort,
      connectionMode: this.wire.mode,
      connections: this.wire.connections,
      outOfSpace: this.array.outOfSpace,
      latency: this.latency,
      faults: this.listFaults(),
      pools: this.array.pools.map((pool) => ({
        slot: toText(pool.values['slot'] ?? ''),
        sizeBytes: pool.fixed['size'] ?? '0',
        freeBytes: this.array.freeBytes(pool).toString(),
      })),
      exports: this.exporter?.list() ?? [],
      disks: this.array.disks.map(({ id, values }) => ({ id, values: readable(values) })),
      files: this.array.files
        .list()
        .map(({ name, kind, sizeBytes }) => ({ name: toText(name), kind, sizeBytes: sizeBytes.toString() })),
    };
  }

  private exporterOn(address: string): Exporter {
    const target = new Nvmet({ config: openConfigFolder(NVMET_ROOT), address, filesRoot: this.array.files.root });
    target.sweep();
    const tell = (line: string): void => {
      process.stderr.write(`${line}\n`);
      this.array.write('nvme,error', toByteString(line));
    };
    return new Exporter({ target, device: this.hostKey.fingerprint, tell });
  }

  private console(user: string, kind: 'exec' | 'shell'): Console {
    const globals = this.globals.get(user) ?? new Map<string, Box>();
    this.globals.set(user, globals);
    return new Console(this.parts, { user, kind, globals, power: this.power.signal });
  }
}
