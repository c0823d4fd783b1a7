/**
 * RouterOS strings are bytes: `[:len]` counts them and `\E2\9C\85` makes three of one character. Inside the simulator a
 * string holds one byte in each character; text is turned into that at the edge, and back.
 */

/** UTF-8 text to the simulator's byte string. */
export function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string to text; bytes that are not UTF-8 become replacement characters. */
export function toText(byteString: string): string {
  return Buffer.from(byteString, 'latin1').toString('utf8');
}
