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
  /** It was its turn: from there until there was a device that can be used, or until it was clear that there is none. */
  | { readonly kind: 'ended'; readonly nqn: SubsystemNqn; readonly ok: boolean; readonly seconds: number };

/** Takes turns at connecting, all who ask one of these. */
export interface ConnectLine {
  /**
   * Runs an act that connects a volume when it is its turn; its place is free again when it has ended, well or not. What it gives to
   * `command` runs by itself among all of the same address. Throws NodeTimeout, with nothing done, if it waited too long.
   */
  run<T>(target: Pick<ConnectTarget, 'nqn' | 'address' | 'port'>, act: (command: RunCommand) => Promise<T>): Promise<T>;
  /** What a volume waits for in this line, for a person; undefined: it does not. Its NQN ends with its ID. */
  waitingFor(volumeId: string): string | undefined;
}

type RunCommand = <T>(run: () => Promise<T>) => Promise<T>;

export interface ConnectLimits {
  /** Volumes that are connected at a time, from `nvme connect` until their devices are there. */
  readonly mostAtOnce: number;
  /** Of these, to one address: the rest is left for others, so that an array that does not answer keeps no other's volumes out. */
  readonly mostToOneAddress: number;
  /** Longest that one waits for its place, and again for its command, in milliseconds. */
  readonly longestWaitMs: number;
}

/**
 * A device may take 30 s to appear: one volume after the other would keep a node of many volumes for long after a reboot. Eight at a time
 * are few enough for an array that has just come back, and for the 100 ms polling of a node's tables.
 *
 * But there is one `nvme connect` for an address at a time: the kernel makes one controller at a time (nvmf_dev_mutex in
 * drivers/nvme/host/fabrics.c), so more of them would only wait in there, where they cannot be killed, while their time runs. An array
 * that does not answer costs 3.5 s for each volume: with one at a time, those of another wait so long, not for all of its volumes.
 */
export const CONNECT_LIMITS: ConnectLimits = { mostAtOnce: 8, mostToOneAddress: 6, longestWaitMs: 60_000 };

interface AddressTurns {
  readonly places: Turns;
  readonly commands: Turns;
  /** Who uses these just now: they are forgotten with the last one. */
  users: number;
}

interface ConnectLineOptions {
  readonly limits?: ConnectLimits;
  readonly observe?: (event: ConnectEvent) => void;
}

export function createConnectLine({
  limits = CONNECT_LIMITS,
  observe = () => undefined,
}: ConnectLineOptions = {}): ConnectLine {
  const { mostAtOnce, mostToOneAddress } = limits;
  const all = createTurns(mostAtOnce);
  const addresses = new Map<string, AddressTurns>();
  const waiting = new Map<SubsystemNqn, string>();
  const take = (turns: Turns, wait: Wait): Promise<() => void> =>
    takeTurn(turns, { ...wait, limits, observe, waiting });

  return {
    waitingFor: (volumeId) => [...waiting].find(([nqn]) => nqn.endsWith(`:${volumeId}`))?.[1],

    async run({ nqn, address, port }, act) {
      const key = `${address} port ${port}`;
      const turns = addresses.get(key) ?? {
        places: createTurns(mostToOneAddress),
        commands: createTurns(1),
        users: 0,
      };
      addresses.set(key, turns);
      turns.users += 1;
      const given: (() => void)[] = [];
      try {
        // First among those of its address: who waits there takes no place from those of another.
        const busy = `volumes are being connected to ${key}, at most ${mostToOneAddress} at a time`;
        given.push(await take(turns.places, { nqn, busy }));
        given.push(
          await take(all, { nqn, busy: `volumes are being connected on this node, at most ${mostAtOnce} at a time` }),
        );
        const command: RunCommand = async (run) => {
          const giveBack = await take(turns.commands, { nqn, busy: `nvme connect runs for another volume of ${key}` });
          return await run().finally(giveBack);
        };
        return await timed(
          () => act(command),
          (ok, seconds) => observe({ kind: 'ended', nqn, ok, seconds }),
        );
      } finally {
        for (const giveBack of given.toReversed()) giveBack();
        turns.users -= 1;
        if (turns.users === 0) addresses.delete(key);
      }
    },
  };
}

interface Wait {
  readonly nqn: SubsystemNqn;
  readonly busy: string;
}

interface Waiting extends Wait {
  readonly limits: ConnectLimits;
  readonly observe: (event: ConnectEvent) => void;
  readonly waiting: Map<SubsystemNqn, string>;
}

/** Tells of it only if there is something to wait for. */
async function takeTurn(turns: Turns, { nqn, busy, limits, observe, waiting }: Waiting): Promise<() => void> {
  const free = turns.tryTake();
  if (free) return free;
  const why = `waits for its turn to connect: ${busy}`;
  waiting.set(nqn, why);
  observe({ kind: 'waits', nqn, why });
  const startedMs = performance.now();
  try {
    return await turns.take(AbortSignal.timeout(limits.longestWaitMs));
  } catch {
    const seconds = limits.longestWaitMs / 1_000;
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
