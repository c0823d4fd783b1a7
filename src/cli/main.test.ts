import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { version } from '../../package.json';
import { Fault } from '../domain/fault';
import { CONTROLLER_FIELDS } from '../workers/config/controller-config';
import { flagOf } from '../workers/config/field';
import { controllerCommand } from './controller-command';
import { runCli } from './main';

type ControllerOptions = Parameters<typeof controllerCommand>[0];

const MARKER = 'hunter2-hunter2';
const FILES: Readonly<Record<string, string>> = { '/k/password': `${MARKER}\n`, '/k/lines': `${MARKER}\n${MARKER}\n` };
const NEEDED = [
  '--cluster-id=c',
  '--volume-paths=/a',
  '--volume-paths=/b',
  '--rds-address=127.0.0.1',
  '--rds-user=u',
  '--rds-password-file=/k/password',
  `--rds-host-key=SHA256:${'a'.repeat(43)}`,
];

/** Runs the command as `main` does, with a controller of the test's own. */
async function run(args: readonly string[], options: Partial<ControllerOptions> = {}) {
  const texts: Record<'out' | 'err' | 'log', string> = { out: '', err: '', log: '' };
  const load = () =>
    controllerCommand({
      runController: () => Promise.resolve(),
      env: {},
      readFile: (path) => {
        const text = FILES[path];
        if (text === undefined) throw Object.assign(new Error('x'), { errno: -2, code: 'ENOENT' });
        return { text, mode: 0o100400 };
      },
      signals: new EventEmitter(),
      exit: () => undefined,
      stream: { write: (text: string) => void (texts.log += text) },
      ...options,
    });
  const code = await runCli(args, {
    subcommands: [
      { name: 'controller', summary: 'the controller', load },
      {
        name: 'other',
        summary: 'another',
        load: () => {
          throw new Error('loaded without need');
        },
      },
      {
        name: 'failing',
        summary: 'fails',
        load: () => new Command('failing').action(() => Promise.reject(new Fault('ArrayRefused', 'no\n  way'))),
      },
    ],
    writeOut: (text) => void (texts.out += text),
    writeErr: (text) => void (texts.err += text),
  });
  return { code, ...texts };
}

describe('rds-csi', () => {
  it('tells its version', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '', log: '' });
  });

  it('names its subcommands, and loads none for that', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/controller .*the controller[^]*other .*another/);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['nothing', [], /Usage: rds-csi/],
    ['an unknown subcommand', ['fly'], /unknown command 'fly'/],
    ['an unknown option', ['--fly'], /unknown option '--fly'/],
    ['an unknown option of a subcommand', ['controller', '--fly'], /unknown option '--fly'/],
    ['an option without its value', ['controller', '--rds-port'], /argument missing/],
    ['an argument too many', ['controller', 'fly'], /too many arguments/],
  ])('given %s, says so and ends with 2', async (_fact, args, message) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('says in one line why it failed, and ends with 1', async () => {
    expect(await run(['failing'])).toEqual({ code: 1, out: '', err: 'rds-csi: no way\n', log: '' });
  });
});

describe('rds-csi controller', () => {
  it.each([
    ['controller', '--help'],
    ['help', 'controller'],
  ])('tells its options: %s %s', async (...args) => {
    const { code, out } = await run(args);
    expect(code).toBe(0);
    for (const key of [...Object.keys(CONTROLLER_FIELDS), 'config']) expect(out).toContain(`${flagOf(key)} `);
  });

  it('runs the controller with what flags and environment say', async () => {
    const configs: unknown[] = [];
    const runController: ControllerOptions['runController'] = (config, { logger }) => {
      logger.info({}, 'runs');
      configs.push(config);
      return Promise.resolve();
    };
    const { code, err, log } = await run(['controller', ...NEEDED, '--temporal-tls'], {
      runController,
      env: { RDS_CSI_RDS_PORT: '2222' },
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(configs).toMatchObject([{ volumePaths: ['/a', '/b'], rds: { port: 2222 }, temporal: { tls: {} } }]);
    expect(JSON.parse(log)).toMatchObject({ level: 'info', process: 'controller', version, message: 'runs' });
  });

  it('names all that is wrong, and ends with 2 before anything runs', async () => {
    const runController = () => Promise.reject(new Error('ran'));
    const { code, out, err, log } = await run(['controller', '--rds-port', 'x'], {
      runController,
      env: { RDS_CSI_X: '' },
    });
    expect({ code, out, log }).toEqual({ code: 2, out: '', log: '' });
    expect(err).toMatch(
      /^The configuration is wrong:\n {2}clusterId: missing[^]* {2}rdsPort \(--rds-port\): "x"[^]*RDS_CSI_X/,
    );
  });

  it('logs an error with its stack, says it in a line, and ends with 1', async () => {
    const { code, err, log } = await run(['controller', ...NEEDED], {
      runController: () => Promise.reject(new Error('socket taken')),
    });
    expect({ code, err }).toEqual({ code: 1, err: 'rds-csi: socket taken\n' });
    expect(JSON.parse(log)).toMatchObject({
      level: 'error',
      error: { message: 'socket taken', stack: expect.any(String) },
    });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ])('stops by the first %s, and ends at once by the second', async (name, exitCode) => {
    const signals = new EventEmitter();
    const exits: number[] = [];
    const steps: string[] = [];
    const runController: ControllerOptions['runController'] = async (_config, { signal }) => {
      const aborted = once(signal, 'abort');
      signals.emit(name);
      await aborted;
      steps.push('stopping');
      signals.emit(name);
      steps.push('stopped');
    };
    const { code, log } = await run(['controller', ...NEEDED], {
      runController,
      signals,
      exit: (c) => void exits.push(c),
    });
    expect({ code, exits, steps }).toEqual({ code: 0, exits: [exitCode], steps: ['stopping', 'stopped'] });
    expect(log).toContain(`"signal":"${name}"`);
    expect(signals.eventNames()).toEqual([]);
  });

  it.each<[string, readonly string[], Readonly<Record<string, string>>]>([
    ['where it belongs', NEEDED, {}],
    ['in a file of two lines', [...NEEDED, '--temporal-api-key-file', '/k/lines'], {}],
    ['in a file that is no key', [...NEEDED, '--rds-private-key-file', '/k/lines'], {}],
    ['in a file that is no YAML map', [...NEEDED, '--config', '/k/lines'], {}],
    ['in place of a file', [...NEEDED, '--rds-password-file', MARKER], {}],
    ['as an unknown variable', NEEDED, { RDS_CSI_RDS_PASSWORD: MARKER }],
    ['as an unknown flag', [...NEEDED, '--rds-password', MARKER], {}],
    ['as an unknown flag with a value', [...NEEDED, `--rds-password=${MARKER}`], {}],
    ['as a host key', [...NEEDED, '--rds-host-key', MARKER], {}],
    ['in a URL', [...NEEDED, '--rds-address', `ssh://u:${MARKER}@rds`], {}],
  ])('shows no secret given %s', async (_fact, args, env) => {
    const runController: ControllerOptions['runController'] = (config, { logger }) => {
      logger.info({ config, ...config, ...config.rds }, 'all of it');
      return Promise.reject(Object.assign(new Error('x'), { config }));
    };
    const { out, err, log } = await run(['controller', ...args], { env, runController });
    expect(err).not.toBe('');
    expect(out + err + log).not.toContain(MARKER);
  });
});
