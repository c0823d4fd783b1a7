import type { DiskRecord } from './state-file';

/** A host that is connected to an export. */
export interface Session {
  readonly id: number;
  /** Slot of the disk. */
  readonly slot: string;
  readonly hostNqn: string;
  /** ISO 8601. */
  readonly since: string;
}

/** What a host's connect ends with. */
export type ConnectOutcome =
  | { readonly outcome: 'connected'; readonly id: number }
  | { readonly outcome: 'refused'; readonly why: string };

interface LiveSession extends Session {
  readonly diskId: string;
  /** What the export was when the host connected: under another name it is another export. */
  readonly export: string;
}

/**
 * Who is connected to which export. No bytes flow: this is what of NVMe/TCP decides who could read and write. As the Linux target
 * does it: a host is checked when it connects, and never again; a session lives until its export goes.
 */
export class NvmeTarget {
  private sessions: readonly LiveSession[] = [];
  private nextId = 1;

  constructor(private readonly disks: () => readonly DiskRecord[]) {}

  connect({ slot, hostNqn }: { readonly slot: string; readonly hostNqn: string }): ConnectOutcome {
    const disk = this.disks().find(({ values }) => values['slot'] === slot);
    const name = disk && exportOf(disk);
    if (!disk || name === undefined) return { outcome: 'refused', why: `no export of ${slot}` };
    const allowed = disk.values['nvme-tcp-server-allow-host-name'] ?? '';
    if (allowed !== '' && allowed !== hostNqn) return { outcome: 'refused', why: `host ${hostNqn} is not allowed` };
    const id = this.nextId++;
    const since = new Date().toISOString();
    this.sessions = [...this.sessions, { id, slot, hostNqn, since, diskId: disk.id, export: name }];
    return { outcome: 'connected', id };
  }

  /** The host itself goes. Returns false if there is no such session. */
  disconnect(id: number): boolean {
    const before = this.sessions.length;
    this.sessions = this.sessions.filter((session) => session.id !== id);
    return this.sessions.length < before;
  }

  list(): readonly Session[] {
    return this.sessions.map(({ id, slot, hostNqn, since }) => ({ id, slot, hostNqn, since }));
  }

  /** Something has changed: sessions whose export is not there any more are over, also if it comes back the next moment. */
  review(): void {
    const exports = new Map(this.disks().map((disk) => [disk.id, exportOf(disk)]));
    this.sessions = this.sessions.filter((session) => exports.get(session.diskId) === session.export);
  }

  /** As when the power goes. */
  dropAll(): void {
    this.sessions = [];
  }
}

/** What a disk is exported as; undefined if it is not. */
function exportOf({ values }: DiskRecord): string | undefined {
  if (values['nvme-tcp-export'] !== 'yes' || values['disabled'] === 'yes') return undefined;
  return `${values['nvme-tcp-server-port'] ?? '4420'} ${values['nvme-tcp-server-nqn'] ?? values['slot']}`;
}
