import { Fault } from '../../domain/fault';
import { isIpv4, isIpv6 } from '../../domain/ip-address';
import type { ProcessPort } from '../process/port';
import type { ConnectTarget } from './port';
import { wordsOf } from './words';

/** More than a data network's name has; each that does not answer takes seconds. */
const MOST_ADDRESSES = 4;

/**
 * The IP addresses of a host name, in the order of the machine's resolver; of an address, itself. nvme-cli is often built without
 * resolving names (Debian's is). In another process: a resolver that hangs would stop this one's reads of files.
 * Throws ConnectFailed, NodeTimeout, NodeToolMissing.
 */
export async function addressesOf(
  processes: ProcessPort,
  { nqn, address: host }: Pick<ConnectTarget, 'nqn' | 'address'>,
  limitMs: number,
): Promise<readonly string[]> {
  if (isIpv4(host) || isIpv6(host)) return [host];
  const result = await processes.run({ file: 'getent', args: ['ahosts', host], limitMs });
  const addresses = result.stdout
    .split('\n')
    .map((line) => line.split(/\s/, 1).join(''))
    .filter((address) => isIpv4(address) || isIpv6(address));
  if (result.exitCode === 0 && addresses.length > 0) return [...new Set(addresses)].slice(0, MOST_ADDRESSES);
  throw new Fault(
    'ConnectFailed',
    `${nqn}: not connected: ${host} has no IP address (getent ahosts: ${wordsOf(result)})`,
  );
}
