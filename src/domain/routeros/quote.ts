import { Fault } from '../fault';
import { formatUntrusted, hasControlCharacter } from '../text';

/**
 * A value as a string literal of a RouterOS script. The one quoting function: nothing else may put a value into a script.
 * The second line of defence: what gets here has been parsed. Throws InvalidArgument on control characters, which no name holds.
 */
export function quote(value: string): string {
  if (hasControlCharacter(value)) {
    throw new Fault('InvalidArgument', `${formatUntrusted(value)} has control characters: not sent to RouterOS`);
  }
  return `"${value.replace(/["\\$?]/g, '\\$&')}"`;
}
