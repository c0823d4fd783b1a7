import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseSubsystemNqn } from '../../domain/nqn';
import { type ConnectEvent, type ConnectLine, createConnectLine } from './connect-line';

const [DEAD, ALIVE] = ['10.0.0.1', '10.0.0.2'];
const targetOf = (index: number, address = DEAD) => ({
  nqn: parseSubsystemNqn(`nqn.2000-02.com.mikrotik:volume-${index}`, 'nqn'),
  address,
  port: 4420,
});
/** Whoever can go on without anything that a test lets happen has done so afterwards. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Acts that go on until they are told to end, and how many there were at once. */
class Acts {
  readonly under = new Map<string, (error?: Error) => void>();
  peak = 0;

  readonly of = (name: string) => async (): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.under.set(name, (error) => {
      this.under.delete(name);
      if (error) reject(error);
      else resolve(name);
    });
    this.peak = Math.max(this.peak, this.under.size);
    return promise;
  };

  get names(): readonly string[] {
    return [...this.under.keys()];
  }

  async end(name: string, error?: Error): Promise<void> {
    this.under.get(name)?.(error);
    await settled();
  }
}

let events: ConnectEvent[];
let acts: Acts;
let line: ConnectLine;

const lineWith = (longestWaitMs: number, mostAtOnce = 1) =>
  createConnectLine({ longestWaitMs, mostAtOnce, observe: (event) => events.push(event) });
/** A volume of an address whose command is of its name. */
const connect = (index: number, address = DEAD) =>
  line.run(targetOf(index, address), (command) => command(acts.of(`${index}`)));

beforeEach(() => {
  events = [];
  acts = new Acts();
  line = lineWith(60_000);
});

describe('a line of volumes to connect', () => {
  it('runs one command for an address at a time, in the order in which they came, and all in the end', async () => {
    const runs = Array.from({ length: 30 }, (_, index) => connect(index, `10.0.0.${index % 5}`));
    const order: number[] = [];
    while (order.length < runs.length) {
      await settled();
      const addresses = acts.names.map((name) => Number(name) % 5);
      expect(new Set(addresses).size).toBe(addresses.length);
      const [next] = acts.names;
      if (next === undefined) throw new Error('nobody is let in, and not all were');
      order.push(Number(next));
      await acts.end(next);
    }
    expect(acts.peak).toBe(5);
    expect(await Promise.all(runs)).toHaveLength(30);
    for (let address = 0; address < 5; address += 1) {
      const ofIt = order.filter((index) => index % 5 === address);
      expect(ofIt).toEqual(ofIt.toSorted((one, other) => one - other));
    }
  });

  it('runs as many commands for an address as it is told, and no more', async () => {
    line = lineWith(60_000, 4);
    const runs = Array.from({ length: 20 }, (_, index) => connect(index));
    for (const name of Array.from(runs.keys(), String)) {
      await settled();
      expect(acts.names.length).toBe(Math.min(4, 20 - Number(name)));
      await acts.end(name);
    }
    expect(acts.peak).toBe(4);
    await Promise.all(runs);
  });

  it('gives the turn of one that fails to the next, and the failure to its caller alone', async () => {
    const failing = connect(0).catch((error: unknown) => error);
    const next = connect(1);
    await settled();
    expect(acts.names).toEqual(['0']);
    await acts.end('0', new Error('no such host'));
    expect(await failing).toMatchObject({ message: 'no such host' });
    expect(acts.names).toEqual(['1']);
    await acts.end('1');
    expect(await next).toBe('1');
    expect(events.filter(({ kind }) => kind === 'ended')).toMatchObject([{ ok: false }, { ok: true }]);
  });

  it('lets a volume of another address in at once, though twenty of one that does not answer are there', async () => {
    const dead = Array.from({ length: 20 }, (_, index) => connect(index));
    await settled();
    expect(acts.names).toEqual(['0']);
    const alive = connect(20, ALIVE);
    await settled();
    expect(acts.names).toEqual(['0', '20']);
    await acts.end('20');
    expect(await alive).toBe('20');
    for (const name of Array.from(dead.keys(), String)) await acts.end(name);
    await Promise.all(dead);
  });

  it('volumes that wait for their devices keep nobody out', async () => {
    const devices = new Acts();
    const runs = Array.from({ length: 20 }, (_, index) =>
      line.run(targetOf(index), async (command) => {
        await command(acts.of(`${index}`));
        return await devices.of(`${index}`)();
      }),
    );
    await settled();
    for (const name of Array.from(runs.keys(), String)) await acts.end(name);
    expect(devices.names).toHaveLength(20);
    for (const name of devices.names) await devices.end(name);
    expect(await Promise.all(runs)).toHaveLength(20);
  });

  it('says what one waits for while it waits, and tells of nobody who does not', async () => {
    const runs = [connect(0), connect(1)];
    await settled();
    const { nqn } = targetOf(1);
    const why = 'waits for its turn to connect: other volumes are being connected to 10.0.0.1 port 4420, 1 at a time';
    expect([line.waitingFor('volume-0'), line.waitingFor('volume-1')]).toEqual([undefined, why]);
    expect(events).toEqual([{ kind: 'waits', nqn, why }]);
    await acts.end('0');
    expect(line.waitingFor('volume-1')).toBeUndefined();
    expect(events).toContainEqual({ kind: 'waited', nqn, seconds: expect.any(Number) });
    await acts.end('1');
    await Promise.all(runs);
  });

  it('sends one away that has waited too long, with nothing begun, and its place in the line is the next one’s', async () => {
    line = lineWith(30);
    const stuck = connect(0);
    const late = await connect(1).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(Fault);
    expect(late).toMatchObject({
      kind: 'NodeTimeout',
      message: expect.stringMatching(
        /volume-1: not connected: its turn did not come within 0.03 s: .*10\.0\.0\.1 port/,
      ),
    });
    expect([acts.names, line.waitingFor('volume-1')]).toEqual([['0'], undefined]);
    const next = connect(2);
    await acts.end('0');
    await acts.end('2');
    expect(await Promise.all([stuck, next])).toEqual(['0', '2']);
  });
});
