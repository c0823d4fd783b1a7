import { Fault } from '../../domain/fault';
import type { SubsystemNqn } from '../../domain/nqn';
import { createTurns, type Turns } from '../turns';
import type { ConnectTarget } from './port';

/** What happens to who wants to connect, for logs and metrics. */
export type ConnectEvent =
  /** `why` is for a person. */
  | { readonly kind: 'waits'; readonly nqn: SubsystemNqn; readonly why: string }
  /** It has waited, and waits no more, whatever came of it. */
  | { readonly kind: 'waited'; readonly nqn: SubsystemNqn; readonly seconds: number }
  /** From the question until there was a device that can be used, or until it was clear that there is none. */
  | { readonly kind: 'ended'; readonly nqn: SubsystemNqn; readonly ok: boolean; readonly seconds: number };

/** Takes turns at connecting, all who ask one of these. */
export interface ConnectLine {
  /**
   * Runs an act that connects a volume. What it gives to `command` runs beside few others of the same address, in the order in which
   * they ask; it throws NodeTimeout, with nothing done, if it waited too long.
   */
  run<T>(target: Pick<ConnectTarget, 'nqn' | 'address' | 'port'>, act: (command: RunCommand) => Promise<T>): Promise<T>;
  /** What a volume waits for in this line, for a person; undefined: it does not. Its NQN ends with its ID. */
  waitingFor(volumeId: string): string | undefined;
}

type RunCommand = <T>(run: () => Promise<T>) => Promise<T>;

/** `nvme connect`s for one address at a time. */
const MOST_AT_ONCE = 4;
/** Longest that one waits for its turn, in milliseconds. */
const LONGEST_WAIT_MS = 60_000;

interface AddressTurns {
  readonly commands: Turns;
  /** Who uses these just now: they are forgotten with the last one. */
  users: number;
}

interface ConnectLineOptions {
  readonly mostAtOnce?: number;
  /** In milliseconds. */
  readonly longestWaitMs?: number;
  readonly observe?: (event: ConnectEvent) => void;
}

/**
 * There are few `nvme connect`s for an address at a time. The kernel makes one controller at a time for the whole machine (nvmf_dev_mutex
 * in drivers/nvme/host/fabrics.c), so many would only wait in there, where they cannot be killed, while their time runs: an array that
 * does not answer costs 3.5 s for each, and four of them are over before the limit of one (20 s), whosever it is. Four, and not one,
 * since most of one is its program's start and its look at what there is.
 *
 * Waiting for the device, which may take 30 s, is nobody's turn: volumes whose exports have none keep no others out.
 */
export function createConnectLine({
  mostAtOnce = MOST_AT_ONCE,
  longestWaitMs = LONGEST_WAIT_MS,
  observe = () => undefined,
}: ConnectLineOptions = {}): ConnectLine {
  const addresses = new Map<string, AddressTurns>();
  const waiting = new Map<SubsystemNqn, string>();

  return {
    waitingFor: (volumeId) => [...waiting].find(([nqn]) => nqn.endsWith(`:${volumeId}`))?.[1],

    async run({ nqn, address, port }, act) {
      const key = `${address} port ${port}`;
      const turns = addresses.get(key) ?? { commands: createTurns(mostAtOnce), users: 0 };
      addresses.set(key, turns);
      turns.users += 1;
      const busy = `other volumes are being connected to ${key}, ${mostAtOnce} at a time`;
      const command: RunCommand = async (run) => {
        const giveBack = await takeTurn(turns.commands, { nqn, busy, longestWaitMs, observe, waiting });
        return await run().finally(giveBack);
      };
      try {
        return await timed(
          () => act(command),
          (ok, seconds) => observe({ kind: 'ended', nqn, ok, seconds }),
        );
      } finally {
        turns.users -= 1;
        if (turns.users === 0) addresses.delete(key);
      }
    },
  };
}

interface Waiting {
  readonly nqn: SubsystemNqn;
  readonly busy: string;
  readonly longestWaitMs: number;
  readonly observe: (event: ConnectEvent) => void;
  readonly waiting: Map<SubsystemNqn, string>;
}

/** Tells of it only if there is something to wait for. */
async function takeTurn(turns: Turns, { nqn, busy, longestWaitMs, observe, waiting }: Waiting): Promise<() => void> {
  const free = turns.tryTake();
  if (free) return free;
  const why = `waits for its turn to connect: ${busy}`;
  waiting.set(nqn, why);
  observe({ kind: 'waits', nqn, why });
  const startedMs = performance.now();
  try {
    return await turns.take(AbortSignal.timeout(longestWaitMs));
  } catch {
    const seconds = longestWaitMs / 1_000;
    throw new Fault('NodeTimeout', `${nqn}: not connected: its turn did not come within ${seconds} s: ${busy}`);
  } finally {
    waiting.delete(nqn);
    observe({ kind: 'waited', nqn, seconds: (performance.now() - startedMs) / 1_000 });
  }
}

async function timed<T>(act: () => Promise<T>, tell: (ok: boolean, seconds: number) => void): Promise<T> {
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1_000;
  try {
    const result = await act();
    tell(true, seconds());
    return result;
  } catch (error) {
    tell(false, seconds());
    throw error;
  }
}
