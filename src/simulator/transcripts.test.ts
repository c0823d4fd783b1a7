import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_POOL } from './index';
import { SimulatorCore } from './simulator';

const FOLDER = path.join(__dirname, '../../test/fixtures/routeros');

interface Exchange {
  readonly line: number;
  readonly script: string;
  readonly expected: readonly (string | RegExp)[];
}

/** Reads a transcript; its form is told in the README beside it. */
function parseTranscript(text: string): readonly Exchange[] {
  const exchanges: { line: number; script: string; expected: (string | RegExp)[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const rest = line.slice(2);
    if (line.startsWith('> ')) exchanges.push({ line: index + 1, script: rest, expected: [] });
    else if (line.startsWith('< ') || line === '<') exchanges.at(-1)?.expected.push(rest);
    else if (line.startsWith('~ ')) exchanges.at(-1)?.expected.push(new RegExp(`^${rest}$`));
    else if (line !== '' && !line.startsWith('#'))
      throw new Error(`line ${index + 1} is none of a transcript: ${line}`);
  }
  return exchanges;
}

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  const stateDir = mkdtempSync(path.join(tmpdir(), 'simulator-transcript-'));
  let simulator: SimulatorCore;

  beforeAll(() => {
    simulator = new SimulatorCore({
      stateDir,
      host: '127.0.0.1',
      sshPort: 0,
      user: 'admin',
      password: 'x',
      nvmetAddress: undefined,
      authorizedKeys: [],
      identity: 'RDS',
      pools: [DEFAULT_POOL],
    });
  });

  afterAll(() => rmSync(stateDir, { recursive: true }));

  it.each(parseTranscript(readFileSync(path.join(FOLDER, name), 'utf8')))(
    'line $line: $script',
    async ({ script, expected }) => {
      const output = await simulator.execute(script);
      const lines = output === '' ? [] : (output ?? '(no answer)').replace(/\r\n$/, '').split('\r\n');
      expect(lines).toEqual(expected.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each))));
    },
  );
});
