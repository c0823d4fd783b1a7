import { Fault } from '../../domain/fault';
import type { CommandResult, ProcessPort } from '../process/port';
import { addressesOf } from './addresses';
import type { DeviceTree } from './block-device';
import type { ConnectTarget, HostIdentity } from './port';
import { exists } from './sysfs';
import { wordsOf } from './words';

interface NvmeConnectOptions {
  readonly processes: ProcessPort;
  readonly tree: DeviceTree;
  readonly host: HostIdentity;
  readonly limitMs: number;
  readonly lane: string;
}

/** What nvme-cli and the kernel say, and what that means; the first that fits. */
const MEANINGS: readonly (readonly [RegExp, (hostNqn: string) => string])[] = [
  [/connection refused/i, () => 'nothing listens there'],
  [/timed out/i, () => 'no answer'],
  [/no route to host|unreachable/i, () => 'there is no way there'],
  [
    /input\/output error/i,
    (hostNqn) =>
      `refused: either the host ${hostNqn} is not allowed, or no such NQN is exported; ` +
      `only the node's kernel log tells the two apart`,
  ],
];

/**
 * Runs `nvme connect`, at one address after the other if a host name has several. True: this very run made the connection;
 * false: the kernel says that there is one. Throws ConnectFailed, NodeToolMissing, NodeTimeout.
 */
export async function runNvmeConnect(options: NvmeConnectOptions, target: ConnectTarget): Promise<boolean> {
  const { processes, host, limitMs, lane } = options;
  const { nqn, address: hostName, port } = target;
  await requireModule(options, target);
  const failures: string[] = [];
  for (const address of await addressesOf(processes, target, limitMs)) {
    const args = connectArguments({ ...target, address }, host);
    // One that hangs in the kernel keeps every other connect of this machine waiting in there: none is sent after it to that address.
    const lanes = [lane, `connecting to ${formatEndpoint(address, port)}`];
    const result = await processes.run({ file: 'nvme', args, limitMs, lane: lanes });
    if (result.exitCode === 0) return true;
    if (saysConnected(result)) return false;
    failures.push(`${formatEndpoint(address, port)}: ${formatFailure(result, host)}`);
  }
  const name = failures.length > 1 ? `${hostName}, ` : '';
  throw new Fault('ConnectFailed', `${nqn}: not connected: ${name}${failures.join('; ')}`);
}

/** nvme-tcp may be built into the kernel, so lsmod does not tell. */
async function requireModule({ tree }: NvmeConnectOptions, { nqn }: ConnectTarget): Promise<void> {
  const { sysRoot, devRoot } = tree;
  if ((await exists(`${sysRoot}/module/nvme_tcp`)) || (await exists(`${devRoot}/nvme-fabrics`))) return;
  throw new Fault('NodeToolMissing', `${nqn}: the kernel module nvme-tcp is not loaded (modprobe nvme-tcp)`);
}

/** Every value an argument of its own; no shell ever reads them. */
function connectArguments(target: ConnectTarget, host: HostIdentity): readonly string[] {
  const { nqn, address, port, ctrlLossTmo, reconnectDelay, keepAliveTmo } = target;
  const where = ['-t', 'tcp', '-a', address, '-s', `${port}`, '-n', nqn];
  const who = ['--hostnqn', host.hostNqn, '--hostid', host.hostId];
  const times = [`--ctrl-loss-tmo=${ctrlLossTmo}`, `--reconnect-delay=${reconnectDelay}`];
  const keepAlive = keepAliveTmo === undefined ? [] : [`--keep-alive-tmo=${keepAliveTmo}`];
  return ['connect', ...where, ...who, ...times, ...keepAlive];
}

/** Whether the kernel refused because there is a session with this NQN already. */
function saysConnected(result: CommandResult): boolean {
  return /already connected|operation already in progress/i.test(`${result.stderr}\n${result.stdout}`);
}

function formatFailure(result: CommandResult, host: HostIdentity): string {
  const words = wordsOf(result);
  const meaning = MEANINGS.find(([pattern]) => pattern.test(words))?.[1](host.hostNqn);
  return meaning === undefined ? `nvme connect: ${words}` : `${meaning} (nvme connect: ${words})`;
}

function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
