import { Fault } from './fault';
import { isIpv4, isIpv6 } from './ip-address';
import { formatUntrusted } from './text';

const LONGEST_CHARACTERS = 253;
const DNS_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const ALL_NUMERIC = /^[0-9]+$/;

/** An IPv4 or IPv6 address (no brackets, no zone) or a DNS host name. Throws InvalidArgument. */
export function parseHostAddress(text: string, field: string): string {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (text.length > LONGEST_CHARACTERS || !(isIpv4(text) || isIpv6(text) || isHostName(text))) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is neither an IP address nor a DNS host name`,
    );
  }
  return text;
}

/** RFC 1123, 2.1: what ends in a numeric label is meant as an address, and is then a wrong one. */
function isHostName(text: string): boolean {
  const labels = text.split('.');
  return labels.every((label) => DNS_LABEL.test(label)) && !ALL_NUMERIC.test(labels.at(-1) ?? '');
}
