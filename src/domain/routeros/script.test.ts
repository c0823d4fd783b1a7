import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { ExportChange } from '../export';
import { hostNqnOf } from '../host-nqn';
import { parseNodeId, parseNqnPrefix, subsystemNqnOf } from '../nqn';
import { parseClusterId, type VolumeRecord } from '../record';
import { GIB, parseBytes } from '../size';
import type { VolumeSpec } from '../volume';
import { parseVolumeId } from '../volume-id';
import { parseVolumePath } from '../volume-path';
import {
  attachScript,
  createScript,
  detachScript,
  findScript,
  listScript,
  poolScript,
  removeScript,
  resizeScript,
  surveyScript,
  writeRecordScript,
} from './script';

const volumeId = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000a');
const clusterId = parseClusterId('lab.1', 'cluster');
const root = parseVolumePath('/storage-pool/metal-csi', 'path');
const roots = [root, parseVolumePath('/fast.pool', 'path')];
const record: VolumeRecord = { clusterId, claim: { namespace: 'shop', name: 'data' }, attachments: [] };
const spec: VolumeSpec = {
  volumeId,
  sizeBytes: parseBytes(10n * GIB, 'size'),
  limitBytes: undefined,
  volumePath: root,
  nqn: subsystemNqnOf(parseNqnPrefix('nqn.2000-02.com.mikrotik', 'prefix'), volumeId),
  nvmePort: 4420,
  exported: true,
  record,
};
const attachment = {
  nodeId: parseNodeId('node-1.example', 'node'),
  accessMode: 'single-node-writer',
  readOnly: false,
  content: 'ext4',
} as const;
const subject = { volumeId, roots };

const open: ExportChange = { wish: { kind: 'any-host' }, endSessions: false };
const asItIs: ExportChange = { wish: { kind: 'as-it-is' }, endSessions: false };
const oneHost: ExportChange = {
  wish: { kind: 'one-host', hostNqn: hostNqnOf(attachment.nodeId) },
  endSessions: true,
};
const off: ExportChange = { wish: { kind: 'off' }, endSessions: false };

const SCRIPTS: readonly (readonly [string, string])[] = [
  ['find', findScript(subject)],
  ['list', listScript()],
  ['survey', surveyScript(roots)],
  ['create', createScript({ spec, roots })],
  ['create below a root', createScript({ spec: { ...spec, volumePath: parseVolumePath(`${root}/a/b`, 'p') }, roots })],
  ['resize', resizeScript({ ...subject, sizeBytes: 20n * GIB, clusterId })],
  ['remove', removeScript({ ...subject, clusterId, files: 'any' })],
  ['attach', attachScript({ ...subject, clusterId, attachment, exportChange: open })],
  ['detach', detachScript({ ...subject, clusterId, nodeId: attachment.nodeId, exportChange: asItIs })],
  ['writeRecord', writeRecordScript({ ...subject, expectedComment: 'a "b" $c', record, exportChange: open })],
  ['writeRecord on no comment', writeRecordScript({ ...subject, expectedComment: '', record, exportChange: open })],
  ['create with fencing', createScript({ spec: { ...spec, exported: false }, roots })],
  ['attach with fencing', attachScript({ ...subject, clusterId, attachment, exportChange: oneHost })],
  ['detach with fencing', detachScript({ ...subject, clusterId, nodeId: attachment.nodeId, exportChange: off })],
  ['writeRecord with fencing', writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange: oneHost })],
  ['pool', poolScript('storage-pool')],
];

/** What of RouterOS the scripts may use: names of its manual, floor 7.21. */
const KNOWN_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  '/disk add': [
    'type',
    'slot',
    'file-path',
    'file-size',
    'mount-filesystem',
    'comment',
    'nvme-tcp-export',
    'nvme-tcp-server-port',
    'nvme-tcp-server-nqn',
  ],
  '/disk set': ['file-size', 'comment', 'nvme-tcp-export', 'nvme-tcp-server-allow-host-name'],
  '/disk remove': [],
  '/disk find': [],
  '/disk print': ['proplist'],
  '/file add': ['name', 'type'],
  '/file remove': [],
  '/file find': [],
  '/file print': ['proplist'],
};
const KNOWN_PROPERTIES = [
  'slot',
  'type',
  'size',
  'free',
  'file-path',
  'disabled',
  'comment',
  'mount-point',
  'nvme-tcp-export',
  'nvme-tcp-server-port',
  'nvme-tcp-server-nqn',
  'nvme-tcp-server-allow-host-name',
  'name',
  'parent',
  'read-only',
  'name',
];

/** The script with every string literal replaced by `""`, and what the literals hold; written anew here, without `quote`. */
function split(script: string): { readonly code: string; readonly literals: readonly string[] } {
  const literals: string[] = [];
  let code = '';
  for (let at = 0; at < script.length; at += 1) {
    if (script[at] !== '"') {
      code += script[at];
      continue;
    }
    let literal = '';
    for (at += 1; script[at] !== '"'; at += 1) {
      if (at >= script.length) throw new Error('a string is not closed');
      if (script[at] === '$') throw new Error(`a variable within a string: ${script.slice(at, at + 20)}`);
      if (script[at] === '\\') at += 1;
      literal += script[at] ?? '';
    }
    literals.push(literal);
    code += '""';
  }
  return { code, literals };
}

describe('every script', () => {
  it.each(SCRIPTS)('%s is one line of ASCII below 4096 bytes', (_name, script) => {
    expect(script).toMatch(/^[\x20-\x7e]+$/);
    expect(script.length).toBeLessThan(4_096);
  });

  it.each(SCRIPTS)('%s prints once: what it found, or the error', (_name, script) => {
    const { code } = split(script);
    expect(code.match(/:put /g)).toHaveLength(2);
    expect(code).toMatch(/^:onerror e in=\{ .+ \} do=\{ :put \[:serialize to=json .+ value=\{""=\$e\}\] \}$/);
    expect(script).toContain('options=json.no-string-conversion');
  });

  it.each(SCRIPTS)('%s closes what it opens', (_name, script) => {
    const { code } = split(script);
    const open: string[] = [];
    const closes: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
    for (const character of code) {
      if ('([{'.includes(character)) open.push(character);
      if (closes[character] !== undefined) expect(open.pop()).toBe(closes[character]);
    }
    expect(open).toEqual([]);
  });

  it.each(SCRIPTS)('%s uses only what the manual of RouterOS knows', (_name, script) => {
    const { code } = split(script);
    for (const [, command = '', rest = ''] of code.matchAll(/(\/(?:disk|file) [a-z]+)((?:(?!where|[;\]}]).)*)/g)) {
      expect(Object.keys(KNOWN_ARGUMENTS)).toContain(command);
      const names = [...rest.matchAll(/(?<=\s)([a-z-]+)=/g)].map(([, name]) => name);
      expect(KNOWN_ARGUMENTS[command]).toEqual(expect.arrayContaining(names));
    }
    for (const [, list = ''] of code.matchAll(/proplist=(\S+)/g)) {
      expect(KNOWN_PROPERTIES).toEqual(expect.arrayContaining(list.split(',')));
    }
    for (const [, conditions = ''] of code.matchAll(/where ([^\]]+)/g)) {
      const names = [...conditions.matchAll(/([a-z-]+)[=~]/g)].map(([, name]) => name);
      expect(KNOWN_PROPERTIES).toEqual(expect.arrayContaining(names));
    }
  });

  it.each(SCRIPTS)('%s changes disks only by the variable that was proven to be ours', (_name, script) => {
    const { code } = split(script);
    for (const [, target] of code.matchAll(/\/disk (?:set|remove) (\S+)/g)) expect(target).toBe('$o');
    if (/\/disk (?:set|remove)/.test(code)) {
      expect(script).toContain(':local o [/disk find where slot=$s type=file nvme-tcp-server-nqn~$q file-path~$r]');
    }
  });
});

describe('createScript', () => {
  const script = createScript({ spec, roots });

  it('makes a disk that the RDS does not mount, sized in bytes, with its record', () => {
    expect(script).toContain(
      `/disk add type=file slot="${volumeId}" file-path="/storage-pool/metal-csi/${volumeId}.img" ` +
        'file-size=10737418240 mount-filesystem=no comment="rds-csi/1 cluster=lab.1 claim=shop/data nodes=" ' +
        `nvme-tcp-export=yes nvme-tcp-server-port=4420 nvme-tcp-server-nqn="nqn.2000-02.com.mikrotik:${volumeId}"`,
    );
  });

  it('reads before it adds', () => {
    expect(script.indexOf('/disk find')).toBeLessThan(script.indexOf('/disk add'));
  });

  it('adds nothing if any disk uses the file', () => {
    expect(script).toContain(':if (($n = 0) && ([:len [/disk find where file-path~$r]] = 0)) do={');
  });

  it('makes no directory for a root itself', () => expect(script).not.toContain('/file add'));

  it.each([
    ['one level', '/storage-pool/metal-csi/a', ['storage-pool/metal-csi/a']],
    ['two levels', '/storage-pool/metal-csi/a/b', ['storage-pool/metal-csi/a', 'storage-pool/metal-csi/a/b']],
    ['a root of one segment', '/fast.pool/x', ['fast.pool/x']],
  ])('makes the directories below a root: %s', (_fact, path, expected) => {
    const made = createScript({ spec: { ...spec, volumePath: parseVolumePath(path, 'path') }, roots });
    expect([...made.matchAll(/\/file add name="([^"]+)" type=directory/g)].map(([, name]) => name)).toEqual(expected);
  });

  it.each([
    ['a path outside of the roots', { volumePath: parseVolumePath('/storage-pool/metal-csi2', 'path') }],
    ['a path that would not be recognised', { volumePath: parseVolumePath('/storage-pool/metal-csi/...', 'path') }],
    [
      'an NQN of another volume',
      {
        nqn: subsystemNqnOf(
          parseNqnPrefix('nqn.2000-02.com.mikrotik', 'p'),
          parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000b'),
        ),
      },
    ],
  ])('refuses %s', (_fact, change) => {
    expect(() => createScript({ spec: { ...spec, ...change }, roots })).toThrow(
      expect.objectContaining({ kind: 'InvalidArgument' }),
    );
  });
});

describe('what attaches', () => {
  it.each([
    ['attach', attachScript({ ...subject, clusterId, attachment, exportChange: open })],
    ['writeRecord', writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange: open })],
  ])('%s turns the export on before it writes the record, and catches what goes wrong', (_name, script) => {
    const [, caught = ''] = /:onerror x in=\{ (.+?) \} do=\{ :set w \$x \}/.exec(script) ?? [];
    expect(caught).toMatch(/nvme-tcp-export=yes \}; \/disk set \$o comment=/);
    expect(script).toContain('"failure"=$w');
  });

  it('leaves the export alone if only the record is to be written', () => {
    const script = writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange: asItIs });
    expect(script).not.toContain('/disk set $o nvme-tcp-export');
  });
});

describe('what changes an export', () => {
  /** The commands that the script would run one after the other, were everything to be changed. */
  const setsOf = (exportChange: ExportChange) =>
    writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange })
      .match(/\/disk set \$o [a-z-]+=("[^"]*"|yes|no)/g)
      ?.map((set) => set.replace('/disk set $o ', '').replace(/^comment=.*/, 'comment'));
  const host = `nvme-tcp-server-allow-host-name="${hostNqnOf(attachment.nodeId)}"`;
  const anyHost = 'nvme-tcp-server-allow-host-name=""';

  it.each<[string, ExportChange, string[]]>([
    ['as it is', asItIs, ['comment']],
    ['as it is, whatever is said of sessions', { ...asItIs, endSessions: true }, ['comment']],
    ['on', { wish: { kind: 'on' }, endSessions: false }, ['nvme-tcp-export=yes', 'comment']],
    ['for any host', open, [anyHost, 'nvme-tcp-export=yes', 'comment']],
    [
      'for any host, anew',
      { ...open, endSessions: true },
      ['nvme-tcp-export=no', anyHost, 'nvme-tcp-export=yes', 'comment'],
    ],
    ['for one host', { ...oneHost, endSessions: false }, [host, 'nvme-tcp-export=yes', 'comment']],
    ['for one host, anew', oneHost, ['nvme-tcp-export=no', host, 'nvme-tcp-export=yes', 'comment']],
    ['off', off, ['nvme-tcp-export=no', anyHost, 'comment']],
  ])('%s: in this order, the record last', (_fact, exportChange, sets) => {
    expect(setsOf(exportChange)).toEqual(sets);
  });

  it('does not mention the host where only the export is to be on', () => {
    const exportChange: ExportChange = { wish: { kind: 'on' }, endSessions: false };
    const script = attachScript({ ...subject, clusterId, attachment, exportChange });
    expect(script.replaceAll(/proplist=\S+/g, '')).not.toContain('allow-host');
  });

  it('changes nothing that is so already', () => {
    for (const exportChange of [open, oneHost, off]) {
      const script = writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange });
      for (const [set] of script.matchAll(/.{5}\/disk set \$o nvme-tcp-[a-z-]+/g)) expect(set).toMatch(/^do=\{ /);
    }
  });
});

describe('patterns', () => {
  const { literals } = split(findScript(subject));
  const filePattern = new RegExp(literals.find((literal) => literal.endsWith('[.]img$')) ?? 'none');
  const file = `${volumeId}.img`;

  it.each([
    [`/storage-pool/metal-csi/${file}`, true],
    [`storage-pool/metal-csi/${file}`, true],
    [`/storage-pool/metal-csi/a/b.c/${file}`, true],
    [`/fast.pool/${file}`, true],
    [`/fastXpool/${file}`, false],
    [`/storage-pool/metal-csi2/${file}`, false],
    [`/storage-pool/${file}`, false],
    [`/storage-pool/metal-csi/../${file}`, false],
    [`/storage-pool/metal-csi/./${file}`, false],
    [`/storage-pool/metal-csi//${file}`, false],
    [`/other/storage-pool/metal-csi/${file}`, false],
    [`/storage-pool/metal-csi/x${file}`, false],
    [`/storage-pool/metal-csi/${file}.bak`, false],
    [`/storage-pool/metal-csi/${volumeId}Ximg`, false],
  ])('the file path %s is ours: %s', (path, expected) => expect(filePattern.test(path)).toBe(expected));

  it('a detach matches a record with this node alone, in any mode', () => {
    const { literals } = split(
      detachScript({ ...subject, clusterId, nodeId: attachment.nodeId, exportChange: asItIs }),
    );
    const pattern = new RegExp(literals.find((literal) => literal.startsWith('^rds-csi/1')) ?? 'none');
    const start = 'rds-csi/1 cluster=lab.1 claim=shop/data nodes=';
    expect(pattern.test(`${start}node-1.example:single-node-writer:rw:ext4`)).toBe(true);
    expect(pattern.test(`${start}node-1.example:multi-node-reader-only:ro:block`)).toBe(true);
    expect(pattern.test(`${start}node-1xexample:single-node-writer:rw:ext4`)).toBe(false);
    expect(pattern.test(`${start}node-1.example:single-node-writer:rw:ext4,node-2:single-node-writer:rw:ext4`)).toBe(
      false,
    );
    expect(pattern.test('rds-csi/1 cluster=labx1 claim=- nodes=node-1.example:single-node-writer:rw:ext4')).toBe(false);
    expect(pattern.test(start)).toBe(false);
  });
});

describe('text from outside', () => {
  const text = fc.string({
    unit: fc.constantFrom(...Array.from('"\\$?[](){};= ~abc/\u00e9')),
    minLength: 1,
    maxLength: 40,
  });

  it('stays in its string, as it is, whatever it holds', () => {
    const shape = split(writeRecordScript({ ...subject, expectedComment: 'x', record, exportChange: open })).code;
    fc.assert(
      fc.property(text, (expectedComment) => {
        const { code, literals } = split(
          writeRecordScript({ ...subject, expectedComment, record, exportChange: open }),
        );
        expect(code).toBe(shape);
        expect(literals).toContain(expectedComment);
      }),
    );
  });

  it.each(['a\nb', 'a\rb', 'a\u0000b', 'a\u007fb'])('is refused with control characters: %j', (expectedComment) => {
    expect(() => writeRecordScript({ ...subject, expectedComment, record, exportChange: open })).toThrow(
      expect.objectContaining({ kind: 'InvalidArgument' }),
    );
  });
});
