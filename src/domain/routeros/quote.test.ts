import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from '../fault';
import { hasControlCharacter } from '../text';
import { quote } from './quote';

/** Reads a literal as RouterOS's manual says that strings are read; undefined if it ends early, or does anything but be text. */
function read(literal: string): string | undefined {
  if (!literal.startsWith('"')) return undefined;
  let value = '';
  for (let at = 1; at < literal.length; at += 1) {
    const character = literal[at];
    if (character === '"') return at === literal.length - 1 ? value : undefined;
    if (character === '$' || character === '?') return undefined;
    if (character === '\\') at += 1;
    value += literal[at] ?? '';
  }
  return undefined;
}

describe('quote', () => {
  it.each([
    ['plain text', 'storage-pool', '"storage-pool"'],
    ['a quote', 'a"b', '"a\\"b"'],
    ['a variable', '$x', '"\\$x"'],
    ['a backslash at the end', 'a\\', '"a\\\\"'],
    ['a help key', 'what?', '"what\\?"'],
    ['a command substitution', '$[/system/reboot]', '"\\$[/system/reboot]"'],
    ['nothing', '', '""'],
  ])('quotes %s', (_fact, value, literal) => expect(quote(value)).toBe(literal));

  it('refuses control characters, and shows them escaped', () => {
    expect(() => quote('a\r\nb')).toThrow(
      new Fault('InvalidArgument', '"a\\r\\nb" has control characters: not sent to RouterOS'),
    );
  });

  it('makes of any value one literal that reads as the value, or refuses it', () => {
    const unit = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('"', '\\', '$', '?', '[', ']', ';', '{', '\n', ' ') },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (value) => {
        if (hasControlCharacter(value)) expect(() => quote(value)).toThrow(Fault);
        else expect(read(quote(value))).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });
});
