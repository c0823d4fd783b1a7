import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

/** The simulator as a user starts it, and a person at OpenSSH's client. */

const MAIN = path.resolve(__dirname, '../../dist/src/cli/main.js');
const PASSWORD = 'correct horse';

// processes start slowly on a machine that is busy with other tests
jest.setTimeout(60_000);

let folder: string;
let simulator: Program;

interface Ready {
  readonly sshPort: number;
  readonly httpPort: number;
  readonly hostKey: string;
  readonly fingerprint: string;
}

interface Program extends Ready {
  readonly child: ChildProcessWithoutNullStreams;
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'simulator-openssh-'));
  for (const [name, type] of [
    ['key', 'ed25519'],
    ['rsa-key', 'rsa'],
    ['other-key', 'ed25519'],
  ] as const) {
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', path.join(folder, name)]);
  }
  const keys = ['key', 'rsa-key'].map((name) => readFileSync(path.join(folder, `${name}.pub`), 'utf8'));
  writeFileSync(path.join(folder, 'authorized_keys'), keys.join(''));
  writeFileSync(path.join(folder, 'password'), `${PASSWORD}\n`);
  writeFileSync(path.join(folder, 'askpass'), `#!/bin/sh\ncat '${folder}/password'\n`);
  chmodSync(path.join(folder, 'askpass'), 0o700);
  simulator = await startProgram();
  trust(simulator);
});

afterAll(async () => {
  await stop(simulator);
  rmSync(folder, { recursive: true });
});

async function startProgram(...args: readonly string[]): Promise<Program> {
  const flags = [
    '--state-dir',
    path.join(folder, 'state'),
    '--ssh-port',
    '0',
    '--http-port',
    '0',
    '--pool-size',
    '1TiB',
  ];
  const logins = [
    '--authorized-keys',
    path.join(folder, 'authorized_keys'),
    '--password-file',
    path.join(folder, 'password'),
  ];
  const child = spawn(process.execPath, [MAIN, 'simulator', ...flags, ...logins, ...args]);
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as Ready & { readonly event: string };
    expect(event.event).toBe('ready');
    return { ...event, child };
  }
  throw new Error(`the simulator did not start: ${complaint}`);
}

async function stop({ child }: Program, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
  return child.exitCode;
}

function trust({ sshPort, hostKey }: Ready): void {
  writeFileSync(path.join(folder, 'known_hosts'), `[127.0.0.1]:${sshPort} ${hostKey}\n`);
}

interface Typed {
  readonly args?: readonly string[];
  readonly login?: 'key' | 'rsa-key' | 'other-key' | 'password';
  readonly input?: string;
  readonly port?: number;
}

/** What `ssh` prints, and how it ends. */
async function ssh(command: string | undefined, { args = [], login = 'key', input, port }: Typed = {}) {
  const byKey = [
    '-i',
    path.join(folder, login),
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'PreferredAuthentications=publickey',
  ];
  const byPassword = ['-o', 'PubkeyAuthentication=no', '-o', 'NumberOfPasswordPrompts=1'];
  const child = spawn(
    'ssh',
    [
      '-F',
      'none',
      '-p',
      String(port ?? simulator.sshPort),
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${path.join(folder, 'known_hosts')}`,
      '-o',
      'LogLevel=ERROR',
      ...(login === 'password' ? byPassword : byKey),
      ...args,
      'admin@127.0.0.1',
      ...(command === undefined ? [] : [command]),
    ],
    {
      env: {
        ...process.env,
        SSH_ASKPASS: path.join(folder, 'askpass'),
        SSH_ASKPASS_REQUIRE: 'force',
        SSH_AUTH_SOCK: '',
      },
    },
  );
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { output, errors, code };
}

/** What a person would see: without the characters that move the cursor. */
const screen = (output: string) => output.replaceAll('\r\n', '\n').replaceAll('\b \b', '⌫');

describe('commands', () => {
  it.each(['key', 'rsa-key', 'password'] as const)('by %s', async (login) => {
    expect(await ssh(':put [/system identity get name]', { login })).toEqual({
      output: 'RDS\r\n',
      errors: '',
      code: 0,
    });
  });

  it('not by a key that nobody knows', async () => {
    expect(await ssh(':put 1', { login: 'other-key' })).toMatchObject({ output: '', code: 255 });
  });

  it('the host key is the one that was told', async () => {
    const told = execFileSync('ssh-keygen', ['-l', '-f', path.join(folder, 'known_hosts')]).toString();
    expect(told).toContain(` ${simulator.fingerprint} `);
  });

  it('a client that asks whether the server is alive is answered', async () => {
    const args = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=1'];
    expect(await ssh(':delay 2500ms; :put "alive"', { args })).toMatchObject({ output: 'alive\r\n', code: 0 });
  });

  it('several over one connection', async () => {
    const control = [
      '-o',
      `ControlPath=${path.join(folder, 'control')}`,
      '-o',
      'ControlMaster=auto',
      '-o',
      'ControlPersist=5',
    ];
    const master = await ssh(':put 0', { args: control });
    const answers = await Promise.all([1, 2, 3].map((n) => ssh(`:put ${n}`, { args: control })));
    expect([master, ...answers].map(({ output }) => output)).toEqual(['0\r\n', '1\r\n', '2\r\n', '3\r\n']);
    await ssh(undefined, { args: [...control, '-O', 'exit'] });
  });

  it('what the facts say of RouterOS, in the words of the facts', async () => {
    const script =
      ':onerror e in={ /disk add type=file file-path="/storage-pool/metal-csi/pvc-f.img" file-size=10G slot="pvc-f" mount-filesystem=no; ' +
      ':put [:serialize to=json options=json.no-string-conversion value={"disk"=[/disk print detail as-value where slot="pvc-f"]; ' +
      '"file"=[/file print as-value proplist=name,size where name~"pvc-f"]}] } ' +
      'do={ :put [:serialize to=json options=json.no-string-conversion value={"error"=$e}] }';
    const made = JSON.parse((await ssh(script)).output);
    expect(made.disk).toEqual([
      expect.objectContaining({ slot: 'pvc-f', 'file-size': 10_737_418_240, 'mount-filesystem': false }),
    ]);
    expect(made.file).toEqual([
      expect.objectContaining({ name: 'storage-pool/metal-csi/pvc-f.img', size: 10_737_418_240 }),
    ]);
    const again = JSON.parse((await ssh(script)).output);
    expect(again).toEqual({ error: expect.stringMatching(/^failure: .*already.* \(\/disk\/add; line 1\)$/) });
    expect((await ssh('/disks print')).output).toBe('bad command name disks (line 1 column 2)\r\n');
    expect((await ssh('/disk print detail foo')).output).toBe('expected end of command (line 1 column 20)\r\n');
    expect((await ssh('/disk add type=floppy')).output).toBe('input does not match any value of type\r\n');
    expect(await ssh('/disk remove [find where slot="pvc-f"]')).toEqual({ output: '', errors: '', code: 0 });
    expect((await ssh(':put [:len [/file find where name~"pvc-f"]]')).output).toBe('1\r\n');
    expect(await ssh('/file remove [find where name~"pvc-f"]')).toEqual({ output: '', errors: '', code: 0 });
  });
});

describe('at the prompt', () => {
  const typed = (lines: readonly string[]) => lines.map((line) => `${line}\r`).join('');

  it('menus, numbers of what was printed, lines that go on, mistakes taken back', async () => {
    const input = typed([
      '/disk add type=file file-path=/storage-pool/metal-csi/p.img file-size=50G slot=p',
      '/disk',
      'print',
      'set 1 comment="by nummm\x7f\x7fber"',
      ':put [get p comment]',
      '/',
      ':if (true) do={',
      ':put "joined"',
      '}',
      ':global kept 5',
      ':put ($kept + 1)',
      '/disk print detail where slot=p',
      '/disk remove p; /file remove storage-pool/metal-csi/p.img',
      'nonsense',
      'quit',
    ]);
    const { output, code } = await ssh(undefined, { args: ['-tt'], input });
    const seen = screen(output);
    expect(code).toBe(0);
    expect(seen).toContain('MikroTik RouterOS 7.21');
    expect(seen).toContain('[admin@RDS] > /disk\n[admin@RDS] /disk> print\nFlags: B - BLOCK-DEVICE; M - MOUNTED\n');
    expect(seen).toContain('[admin@RDS] /disk> :put [get p comment]\nby number\n');
    expect(seen).toContain('{... :put "joined"\n{... }\njoined\n[admin@RDS] > ');
    expect(seen).toContain('[admin@RDS] > :put ($kept + 1)\n6\n');
    expect(seen).toMatch(/ 0 B ;;; by number\n {5}type=file slot="p"/);
    expect(seen).toContain('size=53 687 091 200');
    expect(seen).toContain('file-size=50.0GiB');
    expect(seen).toContain('[admin@RDS] > nonsense\nbad command name nonsense (line 1 column 1)\n[admin@RDS] > quit\n');
  });

  it('Ctrl-C forgets the line, Ctrl-D leaves', async () => {
    const { output, code } = await ssh(undefined, { args: ['-tt'], input: ':put "not th\x03:put "this"\r\x04' });
    expect(code).toBe(0);
    expect(screen(output)).toMatch(/not th\n\[admin@RDS\] > :put "this"\nthis\n\[admin@RDS\] > $/);
  });

  it('without a terminal there is neither prompt nor echo', async () => {
    expect(await ssh(undefined, { args: ['-T'], input: ':put 1\n:put 2' })).toEqual({
      output: '1\r\n2\r\n',
      errors: '',
      code: 0,
    });
  });
});

describe('as a program', () => {
  const post = (program: Ready, route: string, body: unknown) =>
    fetch(`http://127.0.0.1:${program.httpPort}${route}`, { method: 'POST', body: JSON.stringify(body) });

  it('its knobs are turned while it runs', async () => {
    await post(simulator, '/faults', { pattern: 'unlucky', mode: 'reset', when: 'after' });
    expect(await ssh(':put "unlucky"')).toMatchObject({ output: '', code: 255 });
    expect(await ssh(':put "unlucky"')).toMatchObject({ output: 'unlucky\r\n', code: 0 });
    await post(simulator, '/stop', {});
    expect(await ssh(':put 1')).toMatchObject({ code: 255, errors: expect.stringContaining('Connection refused') });
    await post(simulator, '/start', {});
    expect(await ssh(':put 1')).toMatchObject({ output: '1\r\n', code: 0 });
  });

  it('killed at any moment it leaves a whole state: each disk with its file', async () => {
    const state = path.join(folder, 'killed');
    let known: readonly string[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const program = await startProgram('--state-dir', state);
      writeFileSync(path.join(folder, 'known_hosts'), `[127.0.0.1]:${program.sshPort} ${program.hostKey}\n`);
      const answer = async (script: string) => (await ssh(script, { port: program.sshPort })).output;
      const script =
        ':put [:serialize to=json value={"disks"=[/disk print as-value proplist=slot where type=file]; ' +
        '"files"=[/file print as-value proplist=name,size where name~"img"]}]';
      const { disks, files } = JSON.parse(await answer(script));
      const sizes = new Map(files.map(({ name, size }: { name: string; size: number }) => [name, size]));
      const slots: string[] = disks.map(({ slot }: { slot: string }) => slot);
      expect(slots).toEqual(expect.arrayContaining([...known]));
      expect(slots.map((slot) => sizes.get(`storage-pool/metal-csi/${slot}.img`))).toEqual(slots.map(() => 1_048_576));
      const storm =
        `:for i from=1 to=100000 do={ :local s "r${round}x$i"; ` +
        '/disk add type=file slot=$s file-size=1M file-path="/storage-pool/metal-csi/$s.img"; :put [/disk get $s slot] }';
      const lost = ssh(storm, { port: program.sshPort });
      let seen = slots;
      while (seen.length < slots.length + 20) {
        const response = await fetch(`http://127.0.0.1:${program.httpPort}/state`);
        const state = (await response.json()) as { disks: { values: { slot: string; type: string } }[] };
        seen = state.disks.filter(({ values }) => values.type === 'file').map(({ values }) => values.slot);
      }
      await stop(program, 'SIGKILL');
      expect((await lost).code).toBe(255);
      known = seen;
    }
    trust(simulator);
  });

  it('ends well when it is asked to, and keeps its host key', async () => {
    const state = path.join(folder, 'ended');
    const first = await startProgram('--state-dir', state);
    expect(await stop(first)).toBe(0);
    const second = await startProgram('--state-dir', state);
    expect(second.hostKey).toBe(first.hostKey);
    expect(await stop(second, 'SIGINT')).toBe(0);
  });

  it('tells what is wrong with its flags', async () => {
    await expect(startProgram('--pool-size', 'big')).rejects.toThrow('big is not a size');
    await expect(startProgram('--ssh-port', '70000')).rejects.toThrow('not a port');
    await expect(startProgram('--latency', 'slow')).rejects.toThrow('latency slow');
  });
});
