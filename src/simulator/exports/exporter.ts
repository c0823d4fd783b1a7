import type { DiskRecord } from '../state/state-file';
import type { Nvmet } from './nvmet';
import { type WantedExport, wantedOf } from './wanted';

/** An export, or what is in its way. */
export interface ExportState {
  readonly slot: string;
  readonly nqn: string;
  readonly port: number;
  /** Why it is not as RouterOS has it; undefined: it is. */
  readonly problem: string | undefined;
}

interface ExporterOptions {
  readonly target: Pick<Nvmet, 'exported' | 'ensure' | 'remove'>;
  /** Tells this array from every other. */
  readonly device: string;
  /** Told what cannot be exported as it should be, a line each. */
  readonly tell: (line: string) => void;
}

/** Exports follow the array's state: what `/disk` says is exported can be connected to, and nothing else. */
export class Exporter {
  private states: readonly ExportState[] = [];
  /** NQNs whose problem was told, and is not over. */
  private readonly told = new Set<string>();

  constructor(private readonly options: ExporterOptions) {}

  list(): readonly ExportState[] {
    return this.states;
  }

  /** Brings the exports to what these disks say. What the kernel refuses is told, and tried again at the next change. */
  follow(disks: readonly DiskRecord[]): void {
    const { target, device } = this.options;
    const all = disks.map((disk) => wantedOf(disk, device)).filter((wanted) => wanted !== undefined);
    const wanted = new Map<string, WantedExport>();
    // Of two disks with the same NQN the first has it.
    for (const each of all) if (!wanted.has(each.nqn)) wanted.set(each.nqn, each);
    const problems = new Map<string, string>();
    for (const nqn of target.exported) {
      if (!wanted.has(nqn)) this.attempt(nqn, () => target.remove(nqn));
    }
    for (const each of wanted.values()) {
      const problem = this.attempt(each.nqn, () => target.ensure(each));
      if (problem !== undefined) problems.set(each.slot, problem);
    }
    for (const each of all) {
      const first = wanted.get(each.nqn);
      if (first !== each) problems.set(each.slot, `${first?.slot} has its NQN`);
    }
    this.states = all.map(({ slot, nqn, port }) => ({ slot, nqn, port, problem: problems.get(slot) }));
  }

  /** Takes all exports away, as when the power goes off. */
  down(): void {
    this.follow([]);
  }

  /** What went wrong, for a person. */
  private attempt(nqn: string, act: () => void): string | undefined {
    try {
      act();
      this.told.delete(nqn);
      return undefined;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (!this.told.has(nqn)) this.options.tell(`the export of ${nqn}: ${problem}`);
      this.told.add(nqn);
      return problem;
    }
  }
}
