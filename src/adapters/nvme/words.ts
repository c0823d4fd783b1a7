import type { CommandResult } from '../process/port';

/** Most characters of a program's words that a message repeats. */
const MOST_CHARACTERS = 400;

/** What a program said, on one line and short, or that it said nothing. */
export function wordsOf({ stderr, stdout, exitCode }: CommandResult): string {
  const said = (stderr.trim() || stdout.trim()).replaceAll(/\s*[\p{Cc}\p{Zl}\p{Zp}]+\s*/gu, '; ');
  return said === '' ? `exit ${exitCode} without a word` : said.slice(0, MOST_CHARACTERS);
}
