import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type ConnectionEvent, ConnectionKeeper } from './connection-keeper';
import type { ConnectOutcome, SshConnection } from './ssh-connection';

/** A connection that ends when it is told to. */
function fakeConnection(): SshConnection & { readonly lose: (reason: string) => void } {
  let usable = true;
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const lose = (reason: string): void => {
    usable = false;
    end(reason);
  };
  return {
    get usable() {
      return usable;
    },
    ended,
    run: () => Promise.reject(new Error('not asked')),
    retire: lose,
    lose,
  };
}

const NEVER = new AbortController().signal;
const ignore = () => undefined;

function keeperOver(outcomes: (attempt: number) => ConnectOutcome | Promise<ConnectOutcome>) {
  const attemptsMs: number[] = [];
  const events: ConnectionEvent[] = [];
  const keeper = new ConnectionKeeper({
    address: 'rds:22',
    open: async () => {
      attemptsMs.push(Date.now());
      return outcomes(attemptsMs.length);
    },
    reconnectInitialMs: 1_000,
    reconnectMaximumMs: 16_000,
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    onEvent: (event) => events.push(event),
  });
  return { keeper, attemptsMs, events };
}

const refused = (): ConnectOutcome => ({ kind: 'failed', reason: 'connection refused' });

describe('ConnectionKeeper', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('tries again after 1, 2, 4, 8, 16, 16, … s and up to a tenth more, for ever', async () => {
    const { keeper, attemptsMs } = keeperOver(refused);
    keeper.start();
    await jest.advanceTimersByTimeAsync(120_000);
    keeper.stop('enough');
    const waitsMs = attemptsMs.slice(1).map((ms, index) => ms - (attemptsMs[index] ?? 0));
    const expectedMs = [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000, 16_000];
    expect(waitsMs.length).toBeGreaterThanOrEqual(expectedMs.length);
    for (const [index, leastMs] of expectedMs.entries()) {
      expect(waitsMs[index]).toBeGreaterThanOrEqual(leastMs);
      expect(waitsMs[index]).toBeLessThanOrEqual(leastMs * 1.1 + 1);
    }
    await jest.advanceTimersByTimeAsync(60_000);
    expect(attemptsMs).toHaveLength(waitsMs.length + 1);
  });

  it('begins with 1 s again after it was connected', async () => {
    const connection = fakeConnection();
    const { keeper, attemptsMs } = keeperOver((attempt) => (attempt === 4 ? { kind: 'open', connection } : refused()));
    keeper.start();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(keeper.state.connected).toBe(true);
    connection.lose('gone');
    await jest.advanceTimersByTimeAsync(0);
    expect(keeper.state).toMatchObject({ connected: false, reason: 'gone' });
    await jest.advanceTimersByTimeAsync(1_101);
    expect(attemptsMs).toHaveLength(5);
    keeper.stop('enough');
  });

  it('makes one attempt for all who ask, and hands its connection to all', async () => {
    const connection = fakeConnection();
    const { keeper, attemptsMs } = keeperOver(() => ({ kind: 'open', connection }));
    const given = await Promise.all([keeper.get(NEVER), keeper.get(NEVER), keeper.get(NEVER)]);
    expect(given).toEqual([connection, connection, connection]);
    await expect(keeper.get(NEVER)).resolves.toBe(connection);
    expect(attemptsMs).toHaveLength(1);
    keeper.stop('enough');
  });

  it('does not wait any longer than whoever asks', async () => {
    const { keeper } = keeperOver(() => new Promise(() => undefined));
    const abort = new AbortController();
    const asked = keeper.get(abort.signal);
    abort.abort();
    await expect(asked).rejects.toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringMatching(/^RDS rds:22 cannot be reached since \S+Z: not connected yet$/),
    });
    keeper.stop('enough');
  });

  it('lets go of a connection that comes after it was stopped', async () => {
    const connection = fakeConnection();
    let open: (outcome: ConnectOutcome) => void = ignore;
    const { keeper, events } = keeperOver(
      () =>
        new Promise((resolve) => {
          open = resolve;
        }),
    );
    const asked = keeper.get(NEVER);
    keeper.stop('the end');
    open({ kind: 'open', connection });
    await expect(asked).rejects.toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringContaining('the end'),
    });
    expect(connection.usable).toBe(false);
    expect(events).toEqual([]);
  });

  it('tells for how long the connection was away', async () => {
    const { keeper, events } = keeperOver((attempt) =>
      attempt === 3 ? { kind: 'open', connection: fakeConnection() } : refused(),
    );
    keeper.start();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(events.map(({ kind }) => kind)).toEqual(['attempt-failed', 'attempt-failed', 'connected']);
    const [, , connected] = events;
    expect(connected).toMatchObject({ first: true });
    expect(connected?.kind === 'connected' ? connected.outageMs : 0).toBeGreaterThanOrEqual(3_000);
    keeper.stop('enough');
  });
});
