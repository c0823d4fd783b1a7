import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { cutToBytes, formatUntrusted, hasControlCharacter, utf8Bytes } from './text';

const anyText = fc.string({ unit: 'binary', maxLength: 300 });

describe('formatUntrusted', () => {
  it.each([
    ['plain text', 'a b', '"a b"'],
    ['nothing', '', '""'],
    ['quotes', 'a"b', '"a\\"b"'],
    ['a line break', 'a\nb', '"a\\nb"'],
    ['an escape sequence', '\u001b[31m', '"\\u001b[31m"'],
    ['delete and C1', '\u007f\u009f', '"\\u007f\\u009f"'],
    ['a right-to-left override', '\u202e', '"\\u202e"'],
    ['a line separator', '\u2028', '"\\u2028"'],
    ['a tag character', '\u{e0001}', '"\\u{e0001}"'],
    ['80 characters', 'x'.repeat(80), `"${'x'.repeat(80)}"`],
    ['81 characters', 'x'.repeat(81), `"${'x'.repeat(80)}"… (81 characters)`],
  ])('shows %s', (_fact, text, shown) => expect(formatUntrusted(text)).toBe(shown));

  it('is one printable line, whatever is shown', () => {
    fc.assert(
      fc.property(anyText, (text) => expect(formatUntrusted(text)).toMatch(/^"[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u)),
    );
  });
});

describe('utf8Bytes', () => {
  it.each([
    ['\u007f', 1],
    ['\u0080', 2],
    ['\u07ff', 2],
    ['\u0800', 3],
    ['\uffff', 3],
    ['\u{10000}', 4],
    ['\u{10ffff}', 4],
  ])('counts %j as %d', (text, bytes) => expect(utf8Bytes(text)).toBe(bytes));

  it('counts as the encoder does', () => {
    fc.assert(fc.property(anyText, (text) => expect(utf8Bytes(text)).toBe(Buffer.byteLength(text))));
  });
});

describe('hasControlCharacter', () => {
  it.each(['\0', 'a\n', '\u001f', '\u007f', '\u0080', '\u009f'])('is true of %j', (text) =>
    expect(hasControlCharacter(text)).toBe(true),
  );
  it.each(['', ' ', '~', '\u00a0', 'ä€😀'])('is false of %j', (text) => expect(hasControlCharacter(text)).toBe(false));
});

describe('cutToBytes', () => {
  it.each([
    ['what fits', 'abc', 3, 'abc'],
    ['what does not', 'abcdef', 5, 'ab…'],
    ['no character in two', '€€€', 8, '€…'],
    ['nor a pair of surrogates', '😀😀', 7, '😀…'],
  ])('leaves %s', (_fact, text, mostBytes, cut) => expect(cutToBytes(text, mostBytes)).toBe(cut));
});
