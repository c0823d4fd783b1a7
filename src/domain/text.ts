/** What untrusted text may do: be measured, be refused, and be shown to a person without doing harm. */

/** Most characters of a caller's text that a message repeats. */
const SHOWN_CHARACTERS = 80;

const CONTROL_CHARACTER = /\p{Cc}/u;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A caller's text as a message may repeat it: in quotes, at most 80 characters, what cannot be seen escaped. */
export function formatUntrusted(text: string): string {
  const characters = Array.from(text.slice(0, SHOWN_CHARACTERS * 2));
  const start = characters.slice(0, SHOWN_CHARACTERS).join('');
  const shown = JSON.stringify(start).replace(UNPRINTABLE, escapeCharacter);
  return start.length < text.length ? `${shown}… (${text.length} characters)` : shown;
}

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    bytes += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}

/** Whether a text holds a control character (Unicode category Cc: line breaks, NUL, escape, delete, and the C1 set). */
export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTER.test(text);
}

function escapeCharacter(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  return codePoint > 0xffff ? `\\u{${codePoint.toString(16)}}` : `\\u${codePoint.toString(16).padStart(4, '0')}`;
}

/** The text, or as much of its beginning as fits with an ellipsis, in bytes of UTF-8; no character is cut in two. */
export function cutToBytes(text: string, mostBytes: number): string {
  if (utf8Bytes(text) <= mostBytes) return text;
  const characters: string[] = [];
  let left = mostBytes - utf8Bytes('…');
  for (const character of text) {
    left -= utf8Bytes(character);
    if (left < 0) break;
    characters.push(character);
  }
  return `${characters.join('')}…`;
}
