import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseSubsystemNqn } from '../../domain/nqn';
import { CONNECT_LIMITS, type ConnectEvent, type ConnectLine, createConnectLine } from './connect-line';

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

const lineWith = (limits: Partial<typeof CONNECT_LIMITS>) =>
  createConnectLine({ limits: { ...CONNECT_LIMITS, ...limits }, observe: (event) => events.push(event) });

beforeEach(() => {
  events = [];
  acts = new Acts();
  line = lineWith({});
});

describe('a line of volumes to connect', () => {
  it('lets no more in than there are places, in the order in which they came, and all in the end', async () => {
    line = lineWith({ mostAtOnce: 3, mostToOneAddress: 2 });
    const runs = Array.from({ length: 30 }, (_, index) =>
      line.run(targetOf(index, `10.0.0.${index % 5}`), acts.of(`${index}`)),
    );
    const order: string[] = [];
    while (order.length < runs.length) {
      await settled();
      expect(acts.names.length).toBeLessThanOrEqual(3);
      for (let address = 0; address < 5; address += 1) {
        const ofIt = acts.names.filter((name) => Number(name) % 5 === address);
        expect(ofIt.length).toBeLessThanOrEqual(2);
      }
      const [next] = acts.names;
      if (next === undefined) throw new Error('nobody is let in, and not all were');
      order.push(next);
      await acts.end(next);
    }
    expect(acts.peak).toBe(3);
    expect(await Promise.all(runs)).toHaveLength(30);
    for (let address = 0; address < 5; address += 1) {
      const ofIt = order.map(Number).filter((name) => name % 5 === address);
      expect(ofIt).toEqual(ofIt.toSorted((one, other) => one - other));
    }
  });

  it('gives the place of one that fails to the next, and the failure to its caller alone', async () => {
    line = lineWith({ mostAtOnce: 1, mostToOneAddress: 1 });
    const failing = line.run(targetOf(0), acts.of('0'));
    const next = line.run(targetOf(1), acts.of('1'));
    await settled();
    expect(acts.names).toEqual(['0']);
    const failure = failing.catch((error: unknown) => error);
    await acts.end('0', new Error('no such host'));
    expect(await failure).toMatchObject({ message: 'no such host' });
    expect(acts.names).toEqual(['1']);
    await acts.end('1');
    expect(await next).toBe('1');
    expect(events.filter(({ kind }) => kind === 'ended')).toMatchObject([{ ok: false }, { ok: true }]);
  });

  it('lets a volume of another address in at once, though twenty of one that does not answer are there', async () => {
    const dead = Array.from({ length: 20 }, (_, index) => line.run(targetOf(index), acts.of(`${index}`)));
    await settled();
    expect(acts.names).toHaveLength(CONNECT_LIMITS.mostToOneAddress);
    const alive = line.run(targetOf(20, ALIVE), (command) => command(acts.of('alive')));
    await settled();
    expect(acts.names).toContain('alive');
    await acts.end('alive');
    expect(await alive).toBe('alive');
    for (const name of Array.from(dead.keys(), String)) {
      await settled();
      await acts.end(name);
    }
    await Promise.all(dead);
  });

  it('runs one command for an address at a time, whose places are others’ while its device is waited for', async () => {
    const commands = new Acts();
    const connect = (index: number, address: string) =>
      line.run(targetOf(index, address), async (command) => {
        await command(commands.of(`${index}`));
        return await acts.of(`${index}`)();
      });
    const runs = [connect(0, DEAD), connect(1, DEAD), connect(2, ALIVE)];
    await settled();
    expect(commands.names).toEqual(['0', '2']);
    await commands.end('0');
    expect([commands.names, acts.names]).toEqual([['2', '1'], ['0']]);
    await commands.end('1', new Error('refused'));
    await expect(runs[1]).rejects.toThrow('refused');
    await commands.end('2');
    for (const name of acts.names) await acts.end(name);
    expect(await Promise.all([runs[0], runs[2]])).toEqual(['0', '2']);
  });

  it('says what one waits for while it waits, and tells of nobody who does not', async () => {
    line = lineWith({ mostAtOnce: 2, mostToOneAddress: 1 });
    const first = line.run(targetOf(0), acts.of('0'));
    const second = line.run(targetOf(1), acts.of('1'));
    await settled();
    const { nqn } = targetOf(1);
    const why = 'waits for its turn to connect: volumes are being connected to 10.0.0.1 port 4420, at most 1 at a time';
    expect([line.waitingFor('volume-0'), line.waitingFor('volume-1')]).toEqual([undefined, why]);
    expect(events).toEqual([{ kind: 'waits', nqn, why }]);
    await acts.end('0');
    expect(line.waitingFor('volume-1')).toBeUndefined();
    expect(events).toContainEqual({ kind: 'waited', nqn, seconds: expect.any(Number) });
    await acts.end('1');
    await Promise.all([first, second]);
  });

  it('sends one away that has waited too long, with nothing begun, and its place in the line is the next one’s', async () => {
    line = lineWith({ mostAtOnce: 1, mostToOneAddress: 1, longestWaitMs: 30 });
    const stuck = line.run(targetOf(0), acts.of('0'));
    const late = await line.run(targetOf(1), acts.of('1')).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(Fault);
    expect(late).toMatchObject({
      kind: 'NodeTimeout',
      message: expect.stringMatching(
        /volume-1: not connected: its turn did not come within 0.03 s: .*10\.0\.0\.1 port/,
      ),
    });
    expect([acts.names, line.waitingFor('volume-1')]).toEqual([['0'], undefined]);
    const next = line.run(targetOf(2), acts.of('2'));
    await acts.end('0');
    await acts.end('2');
    expect(await Promise.all([stuck, next])).toEqual(['0', '2']);
  });

  it('one that waits too long for its command gives its place back', async () => {
    line = lineWith({ mostAtOnce: 2, mostToOneAddress: 2, longestWaitMs: 30 });
    const stuck = line.run(targetOf(0), (command) => command(acts.of('0')));
    const late = line.run(targetOf(1), (command) => command(acts.of('1')));
    await expect(late).rejects.toThrow('nvme connect runs for another volume of 10.0.0.1 port 4420');
    const other = line.run(targetOf(2, ALIVE), acts.of('2'));
    await settled();
    expect(acts.names).toEqual(['0', '2']);
    await acts.end('0');
    await acts.end('2');
    await Promise.all([stuck, other]);
  });
});
