import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Fault, type FaultKind } from './fault';
import { parseHostAddress } from './host-address';
import { parseMountFlag } from './mount-flags';
import { parseNodeId, parseNqnPrefix, parseSubsystemNqn } from './nqn';
import { formatRecord, parseClusterId, parseRecord } from './record';
import { quote } from './routeros/quote';
import { parseVolumeId } from './volume-id';
import { parseVolumePath } from './volume-path';

const folder = join(__dirname, '../../test/corpora');

/** A case a line; `test/corpora/README.md` tells of the form. */
function readCorpus(name: string): readonly string[] {
  const lines = readFileSync(join(folder, `${name}.txt`), 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(readCase);
}

function readCase(text: string): string {
  if (!text.startsWith('"')) return text;
  const value: unknown = JSON.parse(text);
  return String(value);
}

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const FIELD = 'the_field';

const RULES: readonly (readonly [string, FaultKind, (text: string) => unknown])[] = [
  ['volume-id', 'InvalidArgument', (text) => parseVolumeId(text, FIELD)],
  ['volume-path', 'InvalidArgument', (text) => parseVolumePath(text, FIELD)],
  ['nqn', 'InvalidArgument', (text) => parseSubsystemNqn(text, FIELD)],
  ['node-id', 'InvalidArgument', (text) => parseNodeId(text, FIELD)],
  ['cluster-id', 'InvalidArgument', (text) => parseClusterId(text, FIELD)],
  ['host-address', 'InvalidArgument', (text) => parseHostAddress(text, FIELD)],
  ['mount-flag', 'InvalidArgument', (text) => parseMountFlag(text, { fileSystem: 'ext4', field: FIELD })],
];

describe.each(RULES)('%s', (rule, kind, parse) => {
  it.each(readCorpus(`${rule}_valid`))('takes %j', (text) => expect(parse(text)).toBe(text));

  it.each(readCorpus(`${rule}_invalid`))('refuses %j', (text) => {
    const fault = faultOf(() => parse(text));
    expect(fault.kind).toBe(kind);
    expect(fault.message).toMatch(/^the_field: /);
    expect(fault.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('volume-id', () => {
  it.each(readCorpus('volume-id_unknown'))('knows no volume %j', (text) =>
    expect(faultOf(() => parseVolumeId(text)).kind).toBe('VolumeNotFound'),
  );
});

describe('nqn-prefix', () => {
  it.each(readCorpus('nqn-prefix_valid'))('takes %j, and it ends in a colon', (text) =>
    expect(parseNqnPrefix(text, FIELD)).toBe(text.endsWith(':') ? text : `${text}:`),
  );

  it.each(readCorpus('nqn-prefix_invalid'))('refuses %j', (text) =>
    expect(faultOf(() => parseNqnPrefix(text, FIELD)).message).toMatch(/^the_field: /),
  );
});

describe('quote', () => {
  const pairs = readFileSync(join(folder, 'quote_valid.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' → '));

  it.each(pairs)('quotes %s', (value, literal) => expect(quote(readCase(value ?? ''))).toBe(literal));

  it.each(readCorpus('quote_invalid'))('refuses %j', (text) =>
    expect(faultOf(() => quote(text)).kind).toBe('InvalidArgument'),
  );
});

describe('record', () => {
  it.each(readCorpus('record_valid'))('reads %j and writes it back as it was', (text) => {
    const record = parseRecord(text);
    expect(record && formatRecord(record)).toBe(text);
  });

  it.each(readCorpus('record_none'))('finds none in %j', (text) => expect(parseRecord(text)).toBeUndefined());

  it.each(readCorpus('record_invalid'))('cannot read %j', (text) => {
    const fault = faultOf(() => parseRecord(text));
    expect(fault.kind).toBe('ArrayUnreadable');
    expect(fault.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

it('reads every corpus that there is', () => {
  const rules = [...RULES.map(([rule]) => rule), 'nqn-prefix', 'quote', 'record'];
  const known = rules.flatMap((rule) => [`${rule}_valid.txt`, `${rule}_invalid.txt`]);
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));
  expect(files.sort()).toEqual([...known, 'record_none.txt', 'volume-id_unknown.txt'].sort());
});
