import type { ConnectorPort } from '../adapters/nvme/port';
import type { StageNotesPort } from '../adapters/stage-notes/port';
import type { SubsystemNqn } from '../domain/nqn';
import type { VolumeId } from '../domain/volume-id';

/** What happens to the sessions of volumes that are staged here. */
export type SessionEvent =
  | { readonly kind: 'lost'; readonly volumeId: VolumeId; readonly state: string }
  | { readonly kind: 'back'; readonly volumeId: VolumeId; readonly outageMs: number };

/** How many sessions of staged volumes there are. */
export interface SessionCounts {
  readonly live: number;
  readonly lost: number;
}

export interface SessionWatch {
  /** Looks at all of them once. Throws NodeToolFailed. */
  look(): Promise<void>;
  /** Since when the session of this NQN is lost, in milliseconds of the epoch, as far as this process has seen; undefined: it is not. */
  lostSince(nqn: SubsystemNqn): number | undefined;
}

interface SessionWatchOptions {
  readonly connector: Pick<ConnectorPort, 'sessions'>;
  readonly notes: Pick<StageNotesPort, 'list'>;
  /** Whether this process is doing something with the volume just now. */
  readonly isBusy: (volumeId: VolumeId) => boolean;
  readonly nowMs: () => number;
  readonly observe: (event: SessionEvent) => void;
  readonly count: (counts: SessionCounts) => void;
}

/** The kernel's word for a session that carries I/O. */
const LIVE = 'live';

/** The kernel's words for one that is on its way out: `deleting`, `deleting (no IO)`, `dead`. */
const LEAVING = /^(?:deleting|dead)/;

/**
 * Remembers since when sessions of staged volumes are not live: the kernel shows their state, and not since when. One that was never live
 * is being made, and nobody has lost it, unless it is there before this process is; one that goes while this process acts on the
 * volume is being disconnected.
 */
export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { connector, notes, isBusy, nowMs, observe, count } = options;
  let isFirst = true;
  const seen = new Set<SubsystemNqn>();
  const lost = new Map<SubsystemNqn, number>();

  const lookAt = (nqn: SubsystemNqn, volumeId: VolumeId, state: string | undefined): void => {
    const since = lost.get(nqn);
    if (state === LIVE) {
      seen.add(nqn);
      lost.delete(nqn);
      if (since !== undefined) observe({ kind: 'back', volumeId, outageMs: nowMs() - since });
      return;
    }
    if (since !== undefined) return;
    if (!seen.has(nqn) && (state === undefined || !isFirst)) return;
    if (isBusy(volumeId) && (state === undefined || LEAVING.test(state))) return;
    lost.set(nqn, nowMs());
    observe({ kind: 'lost', volumeId, state: state ?? 'gone' });
  };

  return {
    lostSince: (nqn) => lost.get(nqn),

    async look() {
      // First what is staged, then how it is: what is unstaged between the two is not taken for lost the next time.
      const staged = await notes.list();
      const sessions = await connector.sessions();
      const nqns = new Set(staged.map(({ nqn }) => nqn));
      for (const nqn of [...seen, ...lost.keys()]) {
        if (nqns.has(nqn)) continue;
        seen.delete(nqn);
        lost.delete(nqn);
      }
      for (const { nqn, volumeId } of staged) lookAt(nqn, volumeId, sessions.get(nqn)?.state);
      isFirst = false;
      const live = [...nqns].filter((nqn) => sessions.get(nqn)?.state === LIVE).length;
      count({ live, lost: lost.size });
    },
  };
}
