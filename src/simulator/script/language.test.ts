import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { toByteString, toText } from './bytes';
import { ParseError, ScriptError } from './errors';
import { runScript } from './interpreter';
import { parseScript } from './parser';
import type { Machine } from './runtime';

/** Runs a script that uses no menu, and gives what it printed. */
async function output(script: string): Promise<string> {
  let text = '';
  const machine: Machine = {
    globals: new Map(),
    run: () => Promise.reject(new Error('no menus here')),
    wait: async () => undefined,
    checkPower: () => undefined,
    log: () => undefined,
    write: (each) => {
      text += each;
    },
  };
  await runScript(parseScript(toByteString(script), { menu: '', declared: [] }).body, machine);
  return toText(text);
}

/** As the manual tells how a string is written: independent of any quoting of the driver. */
const written = (text: string) =>
  `"${toByteString(text)
    .split('')
    .map((char) =>
      /[A-Za-z0-9 ]/.test(char) ? char : `\\${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')}"`;

const backslashed = (text: string) => `"${text.replaceAll(/["\\$?]/g, '\\$&')}"`;

const printable = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });

describe('numbers', () => {
  it('are whole over 64 bits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (value) => {
        const script = `:local n ${value}; :put $n; :put ($n + 0); :put [:tonum "${value}"]; :put [:serialize to=json value=$n]`;
        expect(await output(script)).toBe(`${value}\r\n`.repeat(4));
      }),
    );
  });

  it('calculate as signed 64-bit numbers do', async () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    await fc.assert(
      fc.asyncProperty(int64, int64, async (a, b) => {
        const wrap = (value: bigint) => BigInt.asIntN(64, value);
        const script = `:local a ${a}; :local b ${b}; :put ($a + $b); :put ($a - $b); :put ($a * $b); :put ($a < $b)`;
        expect(await output(script)).toBe(`${wrap(a + b)}\r\n${wrap(a - b)}\r\n${wrap(a * b)}\r\n${a < b}\r\n`);
      }),
    );
  });

  it('that do not fit are text, and lose no digit', async () => {
    expect(await output(':put 99999999999999999999; :put [:typeof 99999999999999999999]')).toBe(
      '99999999999999999999\r\nstr\r\n',
    );
  });
});

describe('strings', () => {
  it('hold any bytes when written in hexadecimal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        const script = `:put [:serialize to=json options=json.no-string-conversion value=${written(text)}]`;
        expect(JSON.parse(await output(script))).toBe(text);
      }),
    );
  });

  it('hold any printable text when quote, backslash, $ and ? are escaped', async () => {
    await fc.assert(
      fc.asyncProperty(printable, async (text) => {
        const script = `:local v ${backslashed(text)}; :put [:serialize to=json options=json.no-string-conversion value=$v]; :put [:len $v]`;
        const [json = '', length] = (await output(script)).split('\r\n');
        expect([JSON.parse(json), length]).toEqual([text, String(text.length)]);
      }),
    );
  });

  it('count bytes', async () => {
    expect(await output(':put [:len "é✅"]')).toBe('5\r\n');
  });
});

describe('reading a script', () => {
  it('ends, for any text, in a script or a ParseError', () => {
    const token = fc.constantFrom(
      ...':put |:if |:local a |:foreach |do={|in={|}|{|[|]|(|)|"|$|$a|;|\n|/disk|/disk print |where |find |slot=|"x"|~|=|->|'.split(
        '|',
      ),
      ...',|.|!|&&|or |1|0x1F|*1F|10.0.0.1|#|\\|1h|print detail as-value |set |remove |add type=file |-|in |to=json |:serialize '.split(
        '|',
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(token, fc.string({ maxLength: 3 })), { maxLength: 12 }), (tokens) => {
        try {
          parseScript(toByteString(tokens.join('')), { menu: '', declared: [] });
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [':put "a', true],
    [':if (true) do={ :put 1', true],
    [':put (1 + ', true],
    [':put [:len "a"', true],
    [':put )', false],
    ['/disks print', false],
    [':put "\\e2"', false],
  ])('%j is incomplete: %s', (script, incomplete) => {
    expect(() => parseScript(script, { menu: '', declared: [] })).toThrow(
      expect.objectContaining({ incomplete, message: expect.stringMatching(/ \(line \d+ column \d+\)$/) }),
    );
  });

  it('counts lines', async () => {
    const script = ':put "one"\n:onerror e in={\n  # a comment\n  :error "x"\n} do={\n  :put $e\n}\n';
    expect(await output(script)).toBe('one\r\nx (:error; line 4)\r\n');
    expect(() => parseScript(':put 1\n\n  :nope', { menu: '', declared: [] })).toThrow(
      'bad command name nope (line 3 column 4)',
    );
  });

  it('joins lines that end in a backslash', async () => {
    expect(await output(':put \\\n  ("a" . \\\n  "b\\\n    c")')).toBe('abc\r\n');
  });

  it('is by the menu that it stands in', () => {
    const { menu, body } = parseScript('/disk\nprint\n/system identity\nprint\n..', { menu: '', declared: [] });
    expect(menu).toBe('/system');
    expect(body.statements.map((each) => (each.kind === 'menu' ? `${each.menu} ${each.command}` : each.kind))).toEqual([
      'enter',
      '/disk print',
      'enter',
      '/system/identity print',
      'enter',
    ]);
  });
});

it('an uncaught failure ends the script', async () => {
  await expect(output(':error "boom"; :put "not this"')).rejects.toThrow(ScriptError);
});

it('recursion has an end', async () => {
  await expect(output(':global f do={ :global f; [$f] }; [$f]')).rejects.toThrow('too many nested calls');
});
