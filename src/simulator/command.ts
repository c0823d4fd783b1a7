import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_POOL, type FaultRequest, type PoolOptions, parseSize, startSimulator } from './index';
import { parseLatency } from './knobs/latency';

interface Flags {
  readonly stateDir: string;
  readonly host: string;
  readonly sshPort: number;
  readonly httpPort?: number;
  readonly user: string;
  readonly passwordFile?: string;
  readonly authorizedKeys?: string;
  readonly identity: string;
  readonly poolSize: bigint;
  readonly pool: readonly PoolOptions[];
  readonly directory: readonly string[];
  readonly latency?: ReturnType<typeof parseLatency>;
  readonly fault: readonly FaultRequest[];
  readonly outOfSpace: boolean;
  readonly exports: 'none' | 'nvmet';
  readonly exportsAddress: string;
}

/** A parser's complaint as commander shows it. */
function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('not a port');
  return port;
}

/** `name=size[,directory…]`. */
function parsePool(text: string): PoolOptions {
  const [name = '', ...directories] = text.split(',');
  const [slot = '', size = ''] = name.split('=');
  if (!/^[A-Za-z0-9._-]+$/.test(slot)) throw new Error(`${slot} is not a slot`);
  return { slot, sizeBytes: parseSize(size), fileSystem: 'btrfs', directories };
}

function collect<T>(parse: (text: string) => T): (text: string, before: readonly T[]) => readonly T[] {
  const parseChecked = checked(parse);
  return (text, before) => [...before, parseChecked(text)];
}

/** The program `rds-csi simulator`: a RouterOS with disks, over SSH, to try a driver on. */
export function simulatorCommand(): Command {
  return new Command('simulator')
    .description('a RouterOS with disks that speaks SSH, to try the driver on; never a real array')
    .requiredOption('--state-dir <folder>', 'where disks, files and the host key are kept')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--ssh-port <port>', 'port of SSH; 0: any free one', checked(parsePort), 0)
    .option('--http-port <port>', 'port of the knobs, on 127.0.0.1 alone; 0: any free one', checked(parsePort))
    .option('--user <name>', 'who may log in', 'admin')
    .option('--password-file <file>', 'its first line is the password')
    .option('--authorized-keys <file>', 'public keys that may log in')
    .option('--identity <name>', 'name of the device', 'RDS')
    .option('--pool-size <size>', 'size of storage-pool', checked(parseSize), DEFAULT_POOL.sizeBytes)
    .option('--pool <name=size[,directory...]>', 'another pool; may be repeated', collect(parsePool), [])
    .option('--directory <path>', 'another directory of storage-pool; may be repeated', collect(String), [])
    .addOption(
      new Option('--exports <how>', "`nvmet`: this machine's kernel exports what RouterOS would; takes root")
        .choices(['none', 'nvmet'])
        .default('none'),
    )
    .option('--exports-address <ip>', 'where exports can be connected to', '127.0.0.1')
    .option('--latency <ms>', 'e.g. 200 or read=200,change=200+50,allocation=3000+500', checked(parseLatency))
    .option('--fault <json>', 'a failure to come, as POST /faults takes it; may be repeated', collect(JSON.parse), [])
    .option('--out-of-space', 'no pool gives another byte', false)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const lineOf = async (file: string) => (await readFile(file, 'utf8')).split(/\r?\n/);
  const simulator = await startSimulator({
    ...flags,
    password: flags.passwordFile === undefined ? undefined : ((await lineOf(flags.passwordFile))[0] ?? ''),
    authorizedKeys: flags.authorizedKeys === undefined ? [] : await lineOf(flags.authorizedKeys),
    pools: [
      { ...DEFAULT_POOL, sizeBytes: flags.poolSize, directories: [...DEFAULT_POOL.directories, ...flags.directory] },
      ...flags.pool,
    ],
    faults: flags.fault,
  });
  simulator.knobs.setOutOfSpace(flags.outOfSpace);
  const { sshPort, httpPort, hostKey, fingerprint } = simulator;
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  process.stdout.write(`${JSON.stringify({ event: 'ready', sshPort, httpPort, hostKey, fingerprint })}\n`);
  await stopped;
  await simulator.close();
}
