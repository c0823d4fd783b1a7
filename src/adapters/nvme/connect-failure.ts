import { Fault } from '../../domain/fault';
import type { CommandResult } from '../process/port';
import type { ConnectTarget, HostIdentity } from './port';

/** Most characters of a program's words that a message repeats. */
const MOST_CHARACTERS = 400;

/** What nvme-cli and the kernel say, and what that means; the first that fits. */
const MEANINGS: readonly (readonly [RegExp, (failed: FailedConnect) => string])[] = [
  [/connection refused/i, ({ where }) => `nothing listens at ${where}`],
  [/timed out/i, ({ where }) => `${where} does not answer`],
  [/no route to host|unreachable/i, ({ where }) => `there is no way to ${where}`],
  [/resolve|name or service not known/i, ({ address }) => `${address} has no IP address`],
  [
    /input\/output error/i,
    ({ where, hostNqn }) =>
      `${where} refused: either it does not allow the host ${hostNqn}, or it exports no such NQN; ` +
      `only the node's kernel log tells the two apart`,
  ],
];

interface FailedConnect {
  readonly where: string;
  readonly address: string;
  readonly hostNqn: string;
}

/** ConnectFailed: what `nvme connect` said, and what it means where that is known. */
export function connectFailure(target: ConnectTarget, host: HostIdentity, result: CommandResult): Fault {
  const { nqn, address, port } = target;
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const words = wordsOf(result);
  const meaning = MEANINGS.find(([pattern]) => pattern.test(words))?.[1];
  const because = meaning ? `${meaning({ where, address, hostNqn: host.hostNqn })} ` : '';
  return new Fault('ConnectFailed', `${nqn}: not connected to ${where}: ${because}(nvme connect: ${words})`);
}

/** Whether the kernel refused because there is a session with this NQN already. */
export function saysConnected(result: CommandResult): boolean {
  return /already connected|operation already in progress/i.test(`${result.stderr}\n${result.stdout}`);
}

/** What a program said, on one line and short, or that it said nothing. */
export function wordsOf({ stderr, stdout, exitCode }: CommandResult): string {
  const said = (stderr.trim() || stdout.trim()).replaceAll(/\s*[\p{Cc}\p{Zl}\p{Zp}]+\s*/gu, '; ');
  return said === '' ? `exit ${exitCode} without a word` : said.slice(0, MOST_CHARACTERS);
}
