import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Connection, Server, type ServerChannel } from 'ssh2';
import { makeSshKeyPair } from '../../../test/kit/ssh-keys';
import { Fault } from '../../domain/fault';
import type { Logger } from '../../domain/log';
import type { ConnectionEvent } from './connection-keeper';
import { fingerprintOf } from './host-key';
import { createSshSession, type ExecOptions, type SshSession, type SshSessionOptions } from './ssh-session';

const HOST = '127.0.0.1';
const PASSWORD = 'a secret: correct horse';
const PASSPHRASE = 'battery staple';
const HOST_KEY = makeSshKeyPair();
const OTHER_HOST_KEY = makeSshKeyPair();
const USER_KEY = makeSshKeyPair();
const LOCKED_USER_KEY = makeSshKeyPair({ passphrase: PASSPHRASE, cipher: 'aes256-ctr', rounds: 4 });
const READ: ExecOptions = { effect: 'read' };
const CHANGE: ExecOptions = { effect: 'change' };

/** A script that the server has got, and what it can do about it. */
interface Received {
  readonly script: string;
  readonly channel: ServerChannel;
  readonly closed: () => boolean;
  /** Prints and ends, as RouterOS does. */
  answer(text: string): void;
  /** Cuts the connection. */
  cut(): void;
}

type Behaviour = (received: Received) => void;
const ECHO: Behaviour = (received) => received.answer(`${received.script}\r\n`);
const SILENCE: Behaviour = () => undefined;

/** An SSH server that does with scripts what the test says. */
class TestServer {
  readonly received: Received[] = [];
  readonly logins: string[] = [];
  connections = 0;
  behave: Behaviour = ECHO;
  refuse: 'nothing' | 'channel' | 'exec' = 'nothing';
  port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<Connection>();

  async start(hostKey = HOST_KEY): Promise<this> {
    this.#server = new Server({ hostKeys: [hostKey.private] }, (client) => this.#serve(client));
    this.#server.listen(this.port, HOST);
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    for (const client of this.#clients) client.end();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #serve(client: Connection): void {
    this.connections += 1;
    this.#clients.add(client);
    const socket = (client as unknown as { readonly _sock: Socket })._sock;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    client.on('error', () => undefined);
    client.on('close', () => this.#clients.delete(client));
    client.on('authentication', (context) => {
      this.logins.push(context.method);
      const passwordFits = context.method === 'password' && context.password === PASSWORD;
      const userKeys = [USER_KEY.public, LOCKED_USER_KEY.public];
      const keyFits =
        context.method === 'publickey' &&
        userKeys.some((key) => key.split(' ')[1] === context.key.data.toString('base64'));
      if (passwordFits || keyFits) context.accept();
      else context.reject(['publickey', 'password']);
    });
    client.on('session', (accept, reject) => {
      if (this.refuse === 'channel') return reject();
      return accept().on('exec', (acceptExec, rejectExec, { command }) => {
        if (this.refuse === 'exec') return rejectExec();
        const channel = acceptExec();
        let closed = false;
        channel.on('close', () => {
          closed = true;
        });
        channel.on('error', () => undefined);
        channel.resume();
        const received: Received = {
          script: command,
          channel,
          closed: () => closed,
          answer: (text) => {
            channel.write(text);
            channel.exit(0);
            channel.close();
          },
          cut: () => socket.destroy(),
        };
        this.received.push(received);
        return this.behave(received);
      });
    });
  }
}

interface Logged {
  readonly level: keyof Logger;
  readonly message: string;
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(cleanUps.splice(0).map((cleanUp) => cleanUp()));
});

async function startServer(behave: Behaviour = ECHO): Promise<TestServer> {
  const server = await new TestServer().start();
  server.behave = behave;
  cleanUps.push(() => server.stop());
  return server;
}

function sessionTo(port: number, options: Partial<SshSessionOptions> = {}) {
  const events: ConnectionEvent[] = [];
  const log: Logged[] = [];
  const write = (level: keyof Logger) => (fields: object, message: string) => {
    log.push({ level, message: `${message} ${JSON.stringify(fields)}` });
  };
  const session = createSshSession({
    host: HOST,
    port,
    credentials: { username: 'csi', password: PASSWORD },
    hostKey: { kind: 'pinned', key: HOST_KEY.public },
    logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    onEvent: (event) => events.push(event),
    ...options,
    limits: {
      execLimitMs: 3_000,
      queueLimitMs: 3_000,
      reconnectInitialMs: 20,
      reconnectMaximumMs: 80,
      ...options.limits,
    },
  });
  cleanUps.push(() => session.stop());
  return { session, events, log };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => new Error('no fault'),
    (reason: unknown) => reason,
  );
  if (error instanceof Fault) return error;
  throw error;
}

const timed = async <T>(promise: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> => {
  const begun = performance.now();
  const value = await promise;
  return { value, ms: performance.now() - begun };
};

const connected = (session: SshSession) => until(() => session.state.connected);

describe('a session', () => {
  it('runs scripts over one connection', async () => {
    const server = await startServer();
    const { session, events } = sessionTo(server.port);
    session.start();
    await expect(session.exec(':put 1', READ)).resolves.toEqual({ stdout: ':put 1\r\n', stderr: '' });
    const answers = await Promise.all(['a', 'b', 'c'].map((script) => session.exec(script, CHANGE)));
    expect(answers.map(({ stdout }) => stdout)).toEqual(['a\r\n', 'b\r\n', 'c\r\n']);
    expect(server.connections).toBe(1);
    expect(session.state).toMatchObject({ connected: true });
    expect(events).toEqual([{ kind: 'connected', first: true, outageMs: expect.any(Number) }]);
  });

  it('keeps the streams apart, and bytes that arrive in pieces together', async () => {
    const server = await startServer(({ channel }) => {
      const bytes = Buffer.from('é'.repeat(50_000));
      channel.write(bytes.subarray(0, 33_333));
      channel.write(bytes.subarray(33_333));
      channel.stderr.write('oops');
      channel.close();
    });
    const { session } = sessionTo(server.port);
    await expect(session.exec('x', READ)).resolves.toEqual({ stdout: 'é'.repeat(50_000), stderr: 'oops' });
  });

  it.each([
    ['a private key', { username: 'csi', privateKey: USER_KEY.private }],
    ['a locked private key', { username: 'csi', privateKey: LOCKED_USER_KEY.private, passphrase: PASSPHRASE }],
    [
      'a password where the key is not known',
      { username: 'csi', privateKey: OTHER_HOST_KEY.private, password: PASSWORD },
    ],
  ])('logs in with %s', async (_fact, credentials) => {
    const server = await startServer();
    const { session } = sessionTo(server.port, { credentials });
    await expect(session.exec('x', READ)).resolves.toMatchObject({ stdout: 'x\r\n' });
  });

  it.each([
    ['no credentials', { username: 'csi' }],
    ['a key that is none', { username: 'csi', privateKey: 'secret stuff' }],
    ['a public key', { username: 'csi', privateKey: USER_KEY.public }],
    ['a locked key without its passphrase', { username: 'csi', privateKey: LOCKED_USER_KEY.private }],
    [
      'a locked key with another passphrase',
      { username: 'csi', privateKey: LOCKED_USER_KEY.private, passphrase: 'nope' },
    ],
  ])('is not made with %s', (_fact, credentials) => {
    expect(() => sessionTo(1, { credentials })).toThrow(
      expect.objectContaining({ kind: 'InvalidArgument', message: expect.not.stringMatching(/secret|nope|PRIVATE/) }),
    );
  });

  it('begins while the RDS is down, and connects by itself when it comes', async () => {
    const server = await startServer();
    await server.stop();
    const { session, events, log } = sessionTo(server.port);
    session.start();
    await until(() => events.filter(({ kind }) => kind === 'attempt-failed').length >= 3);
    expect(session.state).toMatchObject({ connected: false, reason: 'connection refused' });
    expect(log.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await server.start();
    await connected(session);
    expect(events.at(-1)).toMatchObject({ kind: 'connected', first: true });
  });
});

describe('turns', () => {
  it('are taken by at most so many at a time, in order', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port, { limits: { execsAtOnce: 2 } });
    const scripts = ['a', 'b', 'c', 'd', 'e'];
    const answers = Promise.all(scripts.map((script) => session.exec(script, READ)));
    for (let ended = 0; ended < scripts.length; ended += 1) {
      await until(() => server.received.length === Math.min(ended + 2, scripts.length));
      server.received[ended]?.answer('x');
    }
    await answers;
    expect(server.received.map(({ script }) => script)).toEqual(scripts);
  });

  it('are not waited for longer than the limit, and nothing is sent', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port, { limits: { execsAtOnce: 1, queueLimitMs: 100 } });
    const first = session.exec('first', READ);
    await until(() => server.received.length === 1);
    const fault = await faultOf(session.exec('second', CHANGE));
    expect(fault.kind).toBe('ArrayUnreachable');
    expect(fault.message).toMatch(/is busy: 1 scripts are running and none ended within 100 ms; nothing was sent$/);
    server.behave = ECHO;
    server.received[0]?.answer('x');
    await first;
    await session.exec('third', READ);
    expect(server.received.map(({ script }) => script)).toEqual(['first', 'third']);
  });
});

describe('a script without an answer', () => {
  it.each([
    ['a read', READ, { execLimitMs: 400 }],
    ['a change', CHANGE, { execLimitMs: 100, changeLimitMs: 400 }],
  ])(
    'is given up at the limit of %s; the connection is used no more, and what runs over it is left to finish',
    async (_fact, effect, limits) => {
      const server = await startServer(SILENCE);
      const { session, events } = sessionTo(server.port, { limits });
      const begun = performance.now();
      const hanging = faultOf(session.exec('hanging', effect));
      await until(() => performance.now() - begun > 200);
      const other = session.exec('other', CHANGE);
      const fault = await hanging;
      expect(fault.kind).toBe('ArrayNoAnswer');
      expect(fault.message).toContain('within 400 ms');
      expect(session.state).toMatchObject({ connected: false, reason: 'a script was not over within 400 ms' });
      expect(events.at(-1)).toMatchObject({ kind: 'disconnected' });
      server.received[1]?.answer('late');
      await expect(other).resolves.toMatchObject({ stdout: 'late' });

      server.behave = ECHO;
      await expect(session.exec('next', READ)).resolves.toMatchObject({ stdout: 'next\r\n' });
      expect(server.connections).toBe(2);
    },
  );

  it('is waited for beyond the limit of a read, if it changes something and its connection is alive', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port, { limits: { execLimitMs: 100 } });
    const change = session.exec('x', CHANGE);
    await until(() => server.received.length === 1);
    expect((await faultOf(session.exec('y', READ))).message).toContain('within 100 ms');
    server.received[0]?.answer('late, and true');
    await expect(change).resolves.toMatchObject({ stdout: 'late, and true' });
  });

  it('is told at once for a read when the connection is cut', async () => {
    const server = await startServer((received) => received.cut());
    const { session } = sessionTo(server.port);
    const { value: fault, ms } = await timed(faultOf(session.exec('x', READ)));
    expect(fault.kind).toBe('ArrayNoAnswer');
    expect(fault.message).toContain('the connection was lost');
    expect(ms).toBeLessThan(3_000);
  });

  it('is told for a change only when its limit is over, whatever the caller says', async () => {
    const server = await startServer((received) => received.cut());
    const { session } = sessionTo(server.port, { limits: { execLimitMs: 300 } });
    session.start();
    await connected(session);
    const abort = new AbortController();
    const exec = timed(faultOf(session.exec('x', { effect: 'change', signal: abort.signal })));
    await until(() => !session.state.connected || server.connections > 1);
    abort.abort();
    const { value: fault, ms } = await exec;
    expect(fault.kind).toBe('ArrayNoAnswer');
    expect(ms).toBeGreaterThanOrEqual(299);
  });

  it('that was half printed is none', async () => {
    const server = await startServer((received) => {
      received.channel.write('{"half":', () => setImmediate(() => received.cut()));
    });
    const { session } = sessionTo(server.port);
    expect((await faultOf(session.exec('x', READ))).kind).toBe('ArrayNoAnswer');
  });

  it('over a line that died in silence is noticed by the keepalives', async () => {
    const server = await startServer(SILENCE);
    const line = await startLine(server.port);
    const limits = { keepaliveIntervalMs: 30, keepaliveCount: 2 };
    const { session } = sessionTo(line.port, { limits });
    const exec = faultOf(session.exec('x', READ));
    await until(() => server.received.length === 1);
    line.freeze();
    const fault = await exec;
    expect(fault.kind).toBe('ArrayNoAnswer');
    expect(fault.message).toContain('no answer to keepalives');
    expect(session.state).toMatchObject({ connected: false });
  });
});

describe('an answer', () => {
  it('that is too long is unreadable', async () => {
    const server = await startServer((received) => received.answer('x'.repeat(2_000)));
    const { session } = sessionTo(server.port, { limits: { mostOutputBytes: 1_999 } });
    const fault = await faultOf(session.exec('x', CHANGE));
    expect(fault).toMatchObject({ kind: 'ArrayUnreadable', message: expect.stringContaining('1999 bytes') });
  });

  it('of at most so much is taken', async () => {
    const server = await startServer((received) => received.answer('x'.repeat(2_000)));
    const { session } = sessionTo(server.port, { limits: { mostOutputBytes: 2_000 } });
    await expect(session.exec('x', READ)).resolves.toMatchObject({ stdout: 'x'.repeat(2_000) });
  });

  it('that is a closed channel may hide that the script was run', async () => {
    const server = await startServer();
    server.refuse = 'exec';
    const { session } = sessionTo(server.port, { limits: { execLimitMs: 200 } });
    session.start();
    await connected(session);
    const { value: fault, ms } = await timed(faultOf(session.exec('x', CHANGE)));
    expect(fault).toMatchObject({ kind: 'ArrayNoAnswer', message: expect.stringContaining('its channel was closed') });
    expect(ms).toBeGreaterThanOrEqual(199);
  });

  it('that is no channel at all means that nothing was sent', async () => {
    const server = await startServer();
    server.refuse = 'channel';
    const { session } = sessionTo(server.port);
    const { value: fault, ms } = await timed(faultOf(session.exec('x', CHANGE)));
    expect(fault).toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringContaining('did not take the script'),
    });
    expect(ms).toBeLessThan(2_000);
  });
});

describe('an RDS that cannot be reached', () => {
  it('is told with address, since when, and why', async () => {
    const server = await startServer();
    await server.stop();
    const { session } = sessionTo(server.port);
    const before = new Date();
    const fault = await faultOf(session.exec('x', READ));
    expect(fault.kind).toBe('ArrayUnreachable');
    const [, since] =
      /^RDS 127\.0\.0\.1:\d+ cannot be reached since (\S+): connection refused$/.exec(fault.message) ?? [];
    expect(Math.abs(Date.parse(since ?? '') - before.getTime())).toBeLessThan(1_000);
  });

  it('since when stays the same while it lasts', async () => {
    const server = await startServer();
    const { session, events } = sessionTo(server.port);
    await session.exec('x', READ);
    await server.stop();
    await until(() => !session.state.connected);
    const { since } = session.state;
    await until(() => events.filter(({ kind }) => kind === 'attempt-failed').length >= 2);
    const fault = await faultOf(session.exec('x', READ));
    expect(fault.message).toContain(since.toISOString());
    expect(session.state.since).toEqual(since);
  });

  it('is asked again at once by a script, one attempt for all, whatever the back-off is', async () => {
    const server = await startServer();
    await server.stop();
    const { session, events } = sessionTo(server.port, { limits: { reconnectInitialMs: 60_000 } });
    session.start();
    await until(() => events.length === 1);
    await server.start();
    const answers = await Promise.all(['a', 'b', 'c'].map((script) => session.exec(script, READ)));
    expect(answers).toHaveLength(3);
    expect(server.connections).toBe(1);
  });

  it('comes back by itself after the connection was lost', async () => {
    const server = await startServer();
    const { session, events } = sessionTo(server.port);
    await session.exec('x', READ);
    await server.stop();
    await until(() => !session.state.connected);
    await server.start();
    await connected(session);
    expect(events.at(0)).toMatchObject({ kind: 'connected', first: true });
    expect(events.at(1)).toMatchObject({ kind: 'disconnected' });
    expect(events.at(-1)).toMatchObject({ kind: 'connected', first: false });
    await session.exec('y', READ);
  });

  it('that takes the connection and says nothing is given up', async () => {
    const silent = createServer();
    silent.listen(0, HOST);
    await once(silent, 'listening');
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => sockets.push(socket));
    cleanUps.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { session } = sessionTo((silent.address() as AddressInfo).port, { limits: { connectLimitMs: 100 } });
    const fault = await faultOf(session.exec('x', READ));
    expect(fault).toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringContaining('not connected within 100 ms'),
    });
  });

  it('is not waited for longer than the queue limit', async () => {
    const silent = createServer((socket) => cleanUps.push(() => socket.destroy()));
    silent.listen(0, HOST);
    await once(silent, 'listening');
    cleanUps.push(() => silent.close());
    const { port } = silent.address() as AddressInfo;
    const { session } = sessionTo(port, { limits: { connectLimitMs: 60_000, queueLimitMs: 100 } });
    const { value: fault, ms } = await timed(faultOf(session.exec('x', CHANGE)));
    expect(fault).toMatchObject({ kind: 'ArrayUnreachable', message: expect.stringContaining('not connected yet') });
    expect(ms).toBeLessThan(3_000);
  });

  it('refuses a wrong password, without telling it', async () => {
    const server = await startServer();
    const wrong = 'wrong: tr0ub4dor';
    const { session, log } = sessionTo(server.port, { credentials: { username: 'csi', password: wrong } });
    const fault = await faultOf(session.exec('x', READ));
    expect(fault).toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringContaining('login of user "csi" refused'),
    });
    expect(JSON.stringify([fault.message, String(fault.stack), log, session.state])).not.toContain('tr0ub4dor');
  });

  it('refuses a wrong key', async () => {
    const server = await startServer();
    const credentials = { username: 'csi', privateKey: OTHER_HOST_KEY.private };
    const { session } = sessionTo(server.port, { credentials });
    const fault = await faultOf(session.exec('x', READ));
    expect(fault.message).toContain('login of user "csi" refused');
    expect(server.logins).not.toContain('password');
  });

  it('with another host key is not even logged in to', async () => {
    const server = await startServer();
    const { session } = sessionTo(server.port, { hostKey: { kind: 'pinned', key: OTHER_HOST_KEY.public } });
    const fault = await faultOf(session.exec('x', READ));
    expect(fault.kind).toBe('ArrayUnreachable');
    for (const { public: key } of [HOST_KEY, OTHER_HOST_KEY]) {
      expect(fault.message).toContain(fingerprintOf(Buffer.from(key.split(' ')[1] ?? '', 'base64')));
    }
    expect(server.logins).toEqual([]);
  });

  it('with a host key that nobody has told is not logged in to', async () => {
    const server = await startServer();
    const { session } = sessionTo(server.port, { hostKey: { kind: 'known-hosts', path: '/nowhere/known_hosts' } });
    const fault = await faultOf(session.exec('x', READ));
    expect(fault.message).toMatch(
      /host key refused: offered is ssh-ed25519 SHA256:\S+, and the known_hosts file cannot/,
    );
    expect(server.logins).toEqual([]);
  });
});

describe('cancelling', () => {
  it('ends the wait for a turn at once, and nothing is sent', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port, { limits: { execsAtOnce: 1 } });
    const first = session.exec('first', READ);
    await until(() => server.received.length === 1);
    const abort = new AbortController();
    const second = faultOf(session.exec('second', { effect: 'change', signal: abort.signal }));
    abort.abort();
    expect(await second).toMatchObject({ kind: 'ArrayUnreachable', message: expect.stringContaining('cancelled') });
    server.received[0]?.answer('x');
    await first;
    expect(server.received).toHaveLength(1);
  });

  it('before the call sends nothing', async () => {
    const server = await startServer();
    const { session } = sessionTo(server.port);
    const fault = await faultOf(session.exec('x', { effect: 'change', signal: AbortSignal.abort() }));
    expect(fault.kind).toBe('ArrayUnreachable');
    expect(server.received).toEqual([]);
  });

  it('ends the wait for an answer to a read, and leaves the connection to the others', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port);
    const abort = new AbortController();
    const read = faultOf(session.exec('x', { effect: 'read', signal: abort.signal }));
    await until(() => server.received.length === 1);
    abort.abort();
    expect((await read).kind).toBe('ArrayNoAnswer');
    await until(() => server.received[0]?.closed() === true);
    server.behave = ECHO;
    await session.exec('y', READ);
    expect(server.connections).toBe(1);
  });

  it('does not end the wait for the answer to a change', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port);
    const abort = new AbortController();
    const change = session.exec('x', { effect: 'change', signal: abort.signal });
    await until(() => server.received.length === 1);
    abort.abort();
    server.received[0]?.answer('done');
    await expect(change).resolves.toMatchObject({ stdout: 'done' });
  });
});

describe('stopping', () => {
  it('lets what was sent finish, and sends nothing more', async () => {
    const server = await startServer(SILENCE);
    const { session } = sessionTo(server.port, { limits: { execsAtOnce: 1 } });
    const sent = session.exec('sent', CHANGE);
    await until(() => server.received.length === 1);
    const waiting = faultOf(session.exec('waiting', CHANGE));
    const stopped = session.stop();
    expect((await waiting).message).toContain('the driver is stopping');
    expect((await faultOf(session.exec('late', READ))).kind).toBe('ArrayUnreachable');
    server.received[0]?.answer('done');
    await expect(sent).resolves.toMatchObject({ stdout: 'done' });
    await stopped;
    expect(server.received).toHaveLength(1);
  });
});

/** A line to the server that can go dead without a word: packets are swallowed, nothing is closed. */
async function startLine(target: number): Promise<{ readonly port: number; freeze(): void }> {
  const sockets: Socket[] = [];
  const line = createServer((near) => {
    const far = connect(target, HOST);
    sockets.push(near, far);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  line.listen(0, HOST);
  await once(line, 'listening');
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    line.close();
  });
  return {
    port: (line.address() as AddressInfo).port,
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}
