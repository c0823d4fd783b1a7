/** IP addresses as text; the domain has no `node:net`. */

const DECIMAL_OCTET = /^(?:0|[1-9][0-9]{0,2})$/;
const HEX_GROUP = /^[0-9A-Fa-f]{1,4}$/;
const IPV6_GROUPS = 8;

/** Four decimal octets without leading zeros, which some parsers take for octal. */
export function isIpv4(text: string): boolean {
  const octets = text.split('.');
  return octets.length === 4 && octets.every((octet) => DECIMAL_OCTET.test(octet) && Number(octet) <= 255);
}

/** RFC 4291, 2.2: eight groups, at most one `::` for one or more of them, the last two perhaps as IPv4. No zone. */
export function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = groups.reduce((sum, half, index) => sum + countGroups(half, index === groups.length - 1), 0);
  return halves.length === 2 ? count < IPV6_GROUPS : count === IPV6_GROUPS;
}

/** Number of 16-bit groups; not a number if one is malformed. */
function countGroups(groups: readonly string[], mayEndInIpv4: boolean): number {
  const last = groups.at(-1) ?? '';
  const endsInIpv4 = mayEndInIpv4 && isIpv4(last);
  const hex = endsInIpv4 ? groups.slice(0, -1) : groups;
  return hex.every((group) => HEX_GROUP.test(group)) ? hex.length + (endsInIpv4 ? 2 : 0) : Number.NaN;
}
