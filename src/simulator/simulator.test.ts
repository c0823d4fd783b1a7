import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, type ConnectConfig, utils } from 'ssh2';
import { makeSshKeyPair } from '../../test/kit/ssh-keys';
import { DEFAULT_POOL, type Simulator, type SimulatorOptions, startSimulator } from './index';

let stateDir: string;
let simulators: Simulator[];
let clients: Client[];

beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), 'simulator-test-'));
  simulators = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  for (const simulator of simulators) await simulator.close();
  rmSync(stateDir, { recursive: true });
});

async function start(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ stateDir, password: 'secret', ...options });
  simulators.push(simulator);
  return simulator;
}

function connect(simulator: Simulator, config: ConnectConfig = {}): Promise<Client> {
  const client = new Client();
  clients.push(client);
  const connected = new Promise<Client>((resolve, reject) => {
    client.once('ready', () => resolve(client.setNoDelay(true))).once('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
  client.on('error', () => undefined);
  client.connect({ host: '127.0.0.1', port: simulator.sshPort, username: 'admin', password: 'secret', ...config });
  return connected;
}

/** Rejects if the channel ends without an exit status. */
function exec(client: Client, script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec(script, (error, channel) => {
      if (error) return reject(error);
      const chunks: Buffer[] = [];
      let exited = false;
      channel.on('data', (chunk: Buffer) => chunks.push(chunk));
      channel.on('exit', () => {
        exited = true;
      });
      channel.on('close', () =>
        exited ? resolve(Buffer.concat(chunks).toString('utf8')) : reject(new Error('no answer')),
      );
    });
  });
}

const add = (slot: string, size = '1048576') =>
  `/disk add type=file file-path="/storage-pool/metal-csi/${slot}.img" file-size=${size} slot="${slot}" mount-filesystem=no`;
const slots = (simulator: Simulator) => simulator.knobs.state().disks.map(({ values }) => values['slot']);
/** Whether a promise has come to an end. */
function watch(promise: Promise<unknown>): { readonly settled: boolean } {
  const state = { settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('logins', () => {
  it('by password, several commands on a connection', async () => {
    const client = await connect(await start());
    const answers = await Promise.all([1, 2, 3].map((n) => exec(client, `:delay 20ms; :put ${n}`)));
    expect(answers).toEqual(['1\r\n', '2\r\n', '3\r\n']);
  });

  it.each([
    ['a wrong password', { password: 'wrong' }],
    ['a wrong user', { username: 'root' }],
    ['an unknown key', { password: '', privateKey: makeSshKeyPair().private }],
  ])('not with %s', async (_fact, config) => {
    await expect(connect(await start(), config)).rejects.toThrow('authentication methods failed');
  });

  it.each(['ed25519', 'rsa'] as const)('by %s key, and then not by an empty password', async (type) => {
    const pair = type === 'rsa' ? utils.generateKeyPairSync('rsa', { bits: 2048 }) : makeSshKeyPair();
    const simulator = await startSimulator({ stateDir, authorizedKeys: ['# a comment', '', pair.public] });
    simulators.push(simulator);
    const { password: _, ...byKey } = { username: 'admin', privateKey: pair.private, password: undefined };
    expect(await exec(await connect(simulator, { ...byKey, password: 'x' }), ':put [/system identity get name]')).toBe(
      'RDS\r\n',
    );
    await expect(connect(simulator, { password: '' })).rejects.toThrow('authentication methods failed');
  });

  it('without password and keys by an empty password, as on a new device', async () => {
    const simulator = await startSimulator({ stateDir });
    simulators.push(simulator);
    expect(await exec(await connect(simulator, { password: '' }), ':put 1')).toBe('1\r\n');
  });

  it('the host key is kept, and told as OpenSSH does', async () => {
    const first = await start();
    let seen = '';
    await connect(first, { hostVerifier: (key: Buffer) => Boolean((seen = key.toString('base64'))) });
    expect(first.hostKey).toBe(`ssh-ed25519 ${seen}`);
    expect(first.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
    await first.close();
    expect((await start()).hostKey).toBe(first.hostKey);
    expect(statSync(path.join(stateDir, 'host-key')).mode & 0o777).toBe(0o600);
  });
});

describe('state', () => {
  it('survives stop and start, and the end of the program', async () => {
    const first = await start();
    await first.knobs.execute(
      `${add('a', '10737418240')} comment="r\u00e9cord \\"x\\""; /system identity set name=Other`,
    );
    const before = first.knobs.state();
    await first.knobs.stop();
    await first.knobs.start();
    expect(first.knobs.state().disks).toEqual(before.disks);
    await first.close();
    const second = await start();
    expect(second.knobs.state().disks).toEqual(before.disks);
    expect(second.knobs.state().files).toEqual(before.files);
    expect(await second.knobs.execute(':put [/disk get a comment]; :put [/system identity get name]')).toBe(
      'r\u00e9cord "x"\r\nOther\r\n',
    );
    expect(await second.knobs.execute(`:put [${add('b')}]`)).toBe('*3\r\n');
  });

  it('backing files are real, sparse, and counted in full', async () => {
    const simulator = await start();
    await simulator.knobs.execute(add('a', '500G'));
    const file = statSync(path.join(stateDir, 'files/storage-pool/metal-csi/a.img'));
    expect([file.size, file.blocks]).toEqual([500 * 1024 ** 3, 0]);
    expect(simulator.knobs.state().pools[0]?.freeBytes).toBe(String(524n * 2n ** 30n));
  });

  it('a half-written new state is not the state', async () => {
    const first = await start();
    await first.knobs.execute(add('a'));
    await first.close();
    writeFileSync(path.join(stateDir, 'state.json.new'), '{"version":1,"ident');
    expect(slots(await start())).toEqual(['storage-pool', 'a']);
    expect(existsSync(path.join(stateDir, 'state.json.new'))).toBe(false);
  });

  it('is replaced as a whole: whoever has the old file open still reads all of it', async () => {
    const simulator = await start();
    const file = path.join(stateDir, 'state.json');
    const [inode, text] = [statSync(file).ino, readFileSync(file, 'utf8')];
    await simulator.knobs.execute(add('a'));
    expect(statSync(file).ino).not.toBe(inode);
    expect(readFileSync(file, 'utf8')).not.toBe(text);
  });

  it('a folder with something else in it is refused', async () => {
    writeFileSync(path.join(stateDir, 'state.json'), '{"version":9}');
    await expect(start()).rejects.toThrow('is not a state of the simulator');
  });

  it('can have more pools and directories', async () => {
    const pools = [
      DEFAULT_POOL,
      { slot: 'fast', sizeBytes: 2n ** 30n, fileSystem: 'xfs' as const, directories: ['a/b'] },
    ];
    const simulator = await start({ pools });
    const script =
      '/disk add type=file file-path="/fast/a/b/x.img" file-size=1G slot=x; :put [/disk get fast free]; :put [/disk get fast fs]';
    expect(await simulator.knobs.execute(script)).toBe('0\r\nxfs\r\n');
    expect(await simulator.knobs.execute(':put [/disk get storage-pool free]')).toBe(`${2n ** 40n}\r\n`);
  });
});

describe('faults', () => {
  it.each([
    ['before', []],
    ['after', ['a']],
  ] as const)('reset %s the command took effect', async (when, expected) => {
    const simulator = await start();
    simulator.knobs.addFault({ command: '^/disk/add ', when, mode: 'reset' });
    await expect(exec(await connect(simulator), `${add('a')}; :put "done"`)).rejects.toThrow('no answer');
    expect(slots(simulator)).toEqual(['storage-pool', ...expected]);
    const client = await connect(simulator);
    expect(await exec(client, add('b'))).toBe('');
  });

  it.each([
    ['before', []],
    ['after', ['a', 'b']],
  ] as const)('reset %s a whole script', async (when, expected) => {
    const simulator = await start();
    simulator.knobs.addFault({ pattern: 'slot="a"', when, mode: 'reset' });
    await expect(exec(await connect(simulator), `${add('a')}; ${add('b')}`)).rejects.toThrow('no answer');
    expect(slots(simulator)).toEqual(['storage-pool', ...expected]);
  });

  it('an error in RouterOS words is one for the script, which may catch it', async () => {
    const { knobs } = await start();
    knobs.addFault({ command: '/disk/add', mode: 'error', text: 'failure: not enough space' });
    expect(await knobs.execute(`:onerror e in={ ${add('a')} } do={ :put $e }`)).toBe(
      'failure: not enough space (/disk/add; line 1)\r\n',
    );
    knobs.addFault({ command: '/disk/add', mode: 'error', when: 'after', text: 'failure: odd' });
    expect(await knobs.execute(add('b'))).toBe('failure: odd (/disk/add; line 1)\r\n');
    expect(await knobs.execute(':put [/disk find where type=file]')).toBe('*2\r\n');
  });

  it('an error for a whole script is its answer', async () => {
    const { knobs } = await start();
    knobs.addFault({ mode: 'error', when: 'after', text: 'no such item (4)' });
    expect(await knobs.execute(add('a'))).toBe('no such item (4)\r\n');
    expect(await knobs.execute(':put [:len [/disk find where slot=a]]')).toBe('1\r\n');
  });

  it('half a reply, and rubbish', async () => {
    const { knobs } = await start();
    knobs.addFault({ pattern: 'put', mode: 'truncate', when: 'after' });
    expect(await knobs.execute(':put "12345678"')).toBe('12345');
    knobs.addFault({ pattern: 'put', mode: 'garbage', when: 'after' });
    expect(await knobs.execute(':put "12345678"')).not.toContain('1234');
    expect(await knobs.execute(':put "12345678"')).toBe('12345678\r\n');
  });

  it('hang leaves the other commands of the connection alone', async () => {
    const simulator = await start();
    simulator.knobs.addFault({ pattern: 'hang me', mode: 'hang' });
    const client = await connect(simulator);
    const hung = watch(exec(client, ':put "hang me"'));
    expect(await exec(client, ':put 2')).toBe('2\r\n');
    expect(hung.settled).toBe(false);
  });

  it('the nth and as many as asked for', async () => {
    const { knobs } = await start();
    const id = knobs.addFault({ pattern: 'x', nth: 2, times: 2, mode: 'error', text: 'failed' });
    const answers: (string | undefined)[] = [];
    for (let run = 0; run < 4; run += 1) answers.push(await knobs.execute(':put "x"'));
    expect(answers).toEqual(['x\r\n', 'failed\r\n', 'failed\r\n', 'x\r\n']);
    expect(knobs.state().faults).toEqual([expect.objectContaining({ id, hits: 4, fired: 2 })]);
    expect([knobs.removeFault(id), knobs.removeFault(id)]).toEqual([true, false]);
    knobs.addFault({ times: 0, mode: 'error', text: 'always' });
    expect([await knobs.execute(':put 1'), await knobs.execute(':put 1')]).toEqual(['always\r\n', 'always\r\n']);
    knobs.clearFaults();
    expect(await knobs.execute(':put 1')).toBe('1\r\n');
  });

  it('settings that are none are refused', async () => {
    const { knobs } = await start();
    expect(() => knobs.addFault({ mode: 'error', pattern: '(' })).toThrow('not a regular expression');
  });
});

describe('the rest of the world', () => {
  it('out of space', async () => {
    const { knobs } = await start();
    await knobs.execute(add('a'));
    knobs.setOutOfSpace(true);
    expect(await knobs.execute(add('b'))).toBe('failure: not enough space (/disk/add; line 1)\r\n');
    expect(await knobs.execute('/disk set a file-size=2M')).toBe('failure: not enough space (/disk/set; line 1)\r\n');
    knobs.setOutOfSpace(false);
    expect(await knobs.execute('/disk set a file-size=2M')).toBe('');
  });

  it('latency is by class, and a script takes as long as its slowest command', async () => {
    const { knobs } = await start({ latency: { read: 1, change: 60, allocation: { ms: 600, jitterMs: 5 } } });
    const took = async (script: string) => {
      const before = performance.now();
      await knobs.execute(script);
      return performance.now() - before;
    };
    expect(await took(`/disk print as-value; ${add('a')}; /disk set a comment=x`)).toBeGreaterThanOrEqual(599);
    const change = await took('/disk set a comment=x; /disk set a comment=y');
    expect(change).toBeGreaterThanOrEqual(59);
    expect(change).toBeLessThan(599);
    knobs.setLatency({ change: 0 });
    expect(knobs.state().latency.allocation).toEqual({ ms: 600, jitterMs: 5 });
  });

  it('refuses, resets, and accepts without a word', async () => {
    const simulator = await start();
    const old = await connect(simulator);
    await simulator.knobs.setConnectionMode('refuse');
    await expect(connect(simulator)).rejects.toThrow('ECONNREFUSED');
    expect(await exec(old, ':put 1')).toBe('1\r\n');
    await simulator.knobs.setConnectionMode('reset');
    await expect(connect(simulator)).rejects.toThrow(/ECONNRESET|closed|Connection lost/);
    await simulator.knobs.setConnectionMode('hang');
    await expect(connect(simulator, { readyTimeout: 100 })).rejects.toThrow('Timed out');
    await simulator.knobs.setConnectionMode('accept');
    expect(await exec(await connect(simulator), ':put 1')).toBe('1\r\n');
  });

  it('existing connections become half-open; new ones work', async () => {
    const simulator = await start();
    const old = await connect(simulator);
    simulator.knobs.hangConnections();
    const hung = watch(exec(old, ':put 1'));
    expect(await exec(await connect(simulator), ':put 1')).toBe('1\r\n');
    expect(hung.settled).toBe(false);
  });

  it('stops, with all connections and every script, and starts on the same port', async () => {
    const simulator = await start();
    const client = await connect(simulator);
    const running = exec(client, `:delay 10s; ${add('late')}`);
    await exec(client, ':put 1');
    await simulator.knobs.stop();
    await expect(running).rejects.toThrow('no answer');
    await expect(connect(simulator)).rejects.toThrow('ECONNREFUSED');
    await simulator.knobs.start();
    expect(await exec(await connect(simulator), ':put [/disk find where slot=late]')).toBe('\r\n');
  });

  it('reboots: up again after a while, with nothing of what it had in memory', async () => {
    const simulator = await start();
    await simulator.knobs.execute(':global g 5; :log info "before"');
    await simulator.knobs.reboot(20);
    const script = ':global g; :put [:typeof $g]; :put [:len [/log find where message="before"]]';
    expect(await exec(await connect(simulator), script)).toBe('nothing\r\n0\r\n');
  });

  it('a script goes on when its caller has gone', async () => {
    const simulator = await start();
    const client = await connect(simulator);
    const lost = exec(client, `:delay 50ms; ${add('late')}`);
    await exec(client, ':put 1');
    client.destroy();
    await expect(lost).rejects.toThrow('no answer');
    await until(() => slots(simulator).includes('late'));
  });

  it('orphans of each kind', async () => {
    const { knobs } = await start();
    knobs.addOrphan({
      kind: 'disk-without-file',
      slot: 'pvc-a',
      filePath: '/storage-pool/metal-csi/pvc-a.img',
      values: { comment: 'x' },
    });
    knobs.addOrphan({ kind: 'file-without-disk', filePath: '/storage-pool/metal-csi/pvc-b.img', sizeBytes: 4096 });
    knobs.addOrphan({ kind: 'foreign-disk', slot: 'usb1' });
    knobs.addOrphan({ kind: 'foreign-disk', slot: 'theirs', filePath: 'storage-pool/theirs/x.img' });
    const script =
      ':foreach d in=[/disk print detail as-value] do={ :put (($d->"slot") . " " . ($d->"type") . " " . ($d->"size")) }';
    expect((await knobs.execute(script))?.split('\r\n').slice(1, -1)).toEqual([
      'pvc-a file ',
      'usb1 hardware 1073741824',
      'theirs file 1073741824',
    ]);
    expect(
      await knobs.execute(
        ':put [/file get storage-pool/metal-csi/pvc-b.img size]; :put [:len [/file find where name~"pvc-a"]]',
      ),
    ).toBe('4096\r\n0\r\n');
    expect(await knobs.execute('/disk remove usb1')).toContain('failure: ');
    expect(() => knobs.addOrphan({ kind: 'file-without-disk', filePath: '../x' })).toThrow('invalid value');
  });
});

describe('the command log', () => {
  it('has each script, and what of it was run, with names and values', async () => {
    const { knobs } = await start();
    await knobs.execute(
      `:local s "a"; ${add('a')}; :foreach d in=[/disk find where slot=$s and comment~"x"] do={}; :put [/disk get a comment]`,
    );
    await knobs.execute('/disk set nosuch !comment disabled=no');
    await knobs.execute('/disk frobnicate');
    const [first, second, third] = knobs.commandsSince();
    expect(first).toMatchObject({ sequence: 1, user: 'admin', kind: 'exec', output: '\r\n' });
    expect(first?.commands).toMatchObject([
      {
        menu: '/disk',
        command: 'add',
        line: 1,
        arguments: [
          { name: 'type', value: 'file' },
          { name: 'file-path', value: '/storage-pool/metal-csi/a.img' },
          { name: 'file-size', value: '1048576' },
          { name: 'slot', value: 'a' },
          { name: 'mount-filesystem', value: 'false' },
        ],
      },
      { menu: '/disk', command: 'find', arguments: [], properties: ['comment', 'slot'] },
      { menu: '/disk', command: 'get', positional: ['a', 'comment'], properties: ['comment'] },
    ]);
    expect(second?.commands).toMatchObject([
      {
        command: 'set',
        positional: ['nosuch'],
        arguments: [{ name: 'disabled', value: 'false' }, { name: 'comment' }],
        error: 'no such item',
      },
    ]);
    expect(second?.error).toBe('no such item (/disk/set; line 1)');
    expect(third).toMatchObject({ commands: [], error: 'bad command name frobnicate (line 1 column 7)' });
    expect(knobs.commandsSince(2)).toEqual([third]);
  });
});

describe('NVMe/TCP sessions', () => {
  const A = 'nqn.2014-08.org.nvmexpress:uuid:a';
  const B = 'nqn.2014-08.org.nvmexpress:uuid:b';

  /** A device with one exported disk, and the hosts that are connected to it. */
  async function exported() {
    const simulator = await start();
    const { knobs } = simulator;
    await knobs.execute(`${add('v')} nvme-tcp-export=yes nvme-tcp-server-nqn="nqn.2000-02.com.mikrotik:v"`);
    const set = (change: string) => knobs.execute(`/disk set v ${change}`);
    const join = (hostNqn: string) => knobs.connectHost({ slot: 'v', hostNqn }).outcome;
    const hosts = () => knobs.listSessions().map(({ hostNqn }) => hostNqn);
    return { simulator, knobs, set, join, hosts };
  }

  it('are open to any host until one is named, and then to that one', async () => {
    const { set, join, hosts } = await exported();
    expect([join(A), join(B)]).toEqual(['connected', 'connected']);
    await set('nvme-tcp-server-allow-host-name="uuid:other"');
    expect([join(A), hosts()]).toEqual(['refused', [A, B]]);
    await set(`nvme-tcp-server-allow-host-name="${B}"`);
    expect([join(A), join(B), hosts()]).toEqual(['refused', 'connected', [A, B, B]]);
    await set('nvme-tcp-server-allow-host-name=""');
    expect(join(A)).toBe('connected');
  });

  it.each<[string, string[], boolean]>([
    ['the export goes off', ['nvme-tcp-export=no'], false],
    ['the export goes off and on', ['nvme-tcp-export=no', 'nvme-tcp-export=yes'], true],
    ['the disk is disabled', ['disabled=yes'], false],
    ['the export gets another name', ['nvme-tcp-server-nqn="another"'], true],
  ])('end when %s', async (_fact, changes, open) => {
    const { set, join, hosts } = await exported();
    join(A);
    for (const change of changes) await set(change);
    expect(hosts()).toEqual([]);
    expect(join(A)).toBe(open ? 'connected' : 'refused');
  });

  it.each(['comment="x"', 'file-size=2097152', 'nvme-tcp-export=yes', `nvme-tcp-server-allow-host-name="${B}"`])(
    'outlive %s',
    async (change) => {
      const { set, join, hosts } = await exported();
      join(A);
      await set(change);
      expect(hosts()).toEqual([A]);
    },
  );

  it('end with the disk, with the power, and when the host goes', async () => {
    const { simulator, knobs, join, hosts } = await exported();
    join(A);
    const [session] = knobs.listSessions();
    expect(knobs.disconnectHost(session?.id ?? 0)).toBe(true);
    expect([hosts(), knobs.disconnectHost(session?.id ?? 0)]).toEqual([[], false]);
    join(A);
    await simulator.knobs.stop();
    expect([hosts(), join(A)]).toEqual([[], 'refused']);
    await simulator.knobs.start();
    expect(join(A)).toBe('connected');
    await knobs.execute('/disk remove v');
    expect([hosts(), join(A)]).toEqual([[], 'refused']);
  });
});

describe('HTTP', () => {
  const call = async (simulator: Simulator, route: string, body?: unknown) => {
    const [method = '', url = ''] = route.split(' ');
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`http://127.0.0.1:${simulator.httpPort}${url}`, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('turns every knob', async () => {
    const simulator = await start({ httpPort: 0 });
    const { body } = await call(simulator, 'POST /faults', { pattern: 'x', mode: 'error' });
    expect(body).toEqual({ id: 1 });
    expect((await call(simulator, 'GET /faults')).body).toMatchObject([
      { id: 1, pattern: 'x', nth: 1, when: 'before' },
    ]);
    expect((await call(simulator, 'DELETE /faults/1')).status).toBe(200);
    expect((await call(simulator, 'DELETE /faults')).status).toBe(200);
    await call(simulator, 'POST /latency', { read: { ms: 1, jitterMs: 2 }, allocation: 3 });
    await call(simulator, 'POST /space', { outOfSpace: true });
    await call(simulator, 'POST /connections', { mode: 'reset', existing: 'hang' });
    await call(simulator, 'POST /orphans', { kind: 'foreign-disk', slot: 'usb1', sizeBytes: '9007199254740993' });
    expect((await call(simulator, 'GET /state')).body).toMatchObject({
      up: true,
      sshPort: simulator.sshPort,
      connectionMode: 'reset',
      outOfSpace: true,
      faults: [],
      latency: { read: { ms: 1, jitterMs: 2 }, change: { ms: 0 }, allocation: { ms: 3 } },
      disks: [{}, { values: { slot: 'usb1' } }],
    });
    await call(simulator, 'POST /stop');
    expect((await call(simulator, 'GET /state')).body).toMatchObject({ up: false });
    await call(simulator, 'POST /start');
    await call(simulator, 'POST /connections', { mode: 'accept' });
    await call(simulator, 'POST /reboot', { downMs: 1 });
    await until(() => simulator.knobs.state().up);
    await exec(await connect(simulator), '/disk print as-value');
    expect((await call(simulator, 'GET /commands?since=0')).body).toMatchObject([
      { sequence: 1, commands: [{ menu: '/disk' }] },
    ]);
  });

  it('connects hosts, and tells which are', async () => {
    const simulator = await start({ httpPort: 0 });
    await simulator.knobs.execute(`${add('v')} nvme-tcp-export=yes`);
    const host = { slot: 'v', hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:a' };
    expect((await call(simulator, 'POST /sessions', host)).body).toEqual({ outcome: 'connected', id: 1 });
    expect((await call(simulator, 'POST /sessions', { ...host, slot: 'w' })).body).toEqual({
      outcome: 'refused',
      why: 'no export of w',
    });
    expect((await call(simulator, 'GET /sessions')).body).toEqual([{ ...host, id: 1, since: expect.any(String) }]);
    expect((await call(simulator, 'DELETE /sessions/1')).status).toBe(200);
    expect((await call(simulator, 'DELETE /sessions/1')).status).toBe(400);
    expect(await call(simulator, 'POST /sessions', { slot: 'v' })).toMatchObject({ status: 400 });
  });

  it('refuses what it does not know, and callers from elsewhere', async () => {
    const simulator = await start({ httpPort: 0 });
    expect(await call(simulator, 'POST /faults', { mode: 'nope' })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('mode') },
    });
    expect(await call(simulator, 'POST /faults', { mode: 'hang', typo: 1 })).toMatchObject({ status: 400 });
    expect(await call(simulator, 'DELETE /faults/9')).toMatchObject({ status: 400 });
    expect(await call(simulator, 'GET /nope')).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('GET /state') },
    });
    const foreign = await fetch(`http://127.0.0.1:${simulator.httpPort}/stop`, {
      method: 'POST',
      headers: { origin: 'http://evil.example' },
    });
    expect(foreign.status).toBe(403);
  });
});
