import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from '../fault';
import { parseVolumeId } from '../volume-id';
import { parseVolumePath } from '../volume-path';
import {
  parseChangedAnswer,
  parseCreatedAnswer,
  parseGrownAnswer,
  parseListAnswer,
  parsePoolAnswer,
  parseRemovedAnswer,
  parseVolumeAnswer,
} from './answer';

const volumeId = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000a');
const roots = [parseVolumePath('/storage-pool/metal-csi', 'path')];
const context = { volumeId, roots };
const filePath = `/storage-pool/metal-csi/${volumeId}.img`;
const comment = 'rds-csi/1 cluster=lab claim=shop/data nodes=node-1:single-node-writer:rw:ext4';

const ROW = {
  '.id': '*1A',
  comment,
  disabled: false,
  'file-path': filePath,
  'nvme-tcp-export': true,
  'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${volumeId}`,
  'nvme-tcp-server-port': 4420,
  size: 1_099_511_627_776,
  slot: volumeId,
  type: 'file',
};
const FILE = { '.id': '*2', name: filePath.slice(1), size: 1_099_511_627_776 };
const there = (row: object = {}) => ({ volume: volumeId, disks: [{ ...ROW, ...row }], disksCount: 1, oursCount: 1 });
const GONE = { volume: volumeId, disks: [], disksCount: 0, oursCount: 0 };
const NO_FILES = { files: [], filesCount: 0 };
const NO_USERS = { users: [], usersCount: 0 };
const WITH_FILE = { files: [FILE], filesCount: 1 };

const output = (answer: unknown) => ({ stdout: `${JSON.stringify(answer)}\r\n`, stderr: '' });
const printed = (stdout: string, stderr = '') => ({ stdout, stderr });
const faultOf = (act: () => unknown): Fault => {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
};
const kindOf = (act: () => unknown) => faultOf(act).kind;

describe('parseVolumeAnswer', () => {
  it('reads a volume', () => {
    expect(parseVolumeAnswer(output(there()), context)).toEqual({
      disabled: false,
      hasDevice: true,
      volume: {
        volumeId,
        sizeBytes: 1_099_511_627_776n,
        filePath,
        nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
        nvmePort: 4420,
        exported: true,
        allowedHost: '',
        fileExists: undefined,
        comment,
        record: {
          clusterId: 'lab',
          claim: { namespace: 'shop', name: 'data' },
          attachments: [{ nodeId: 'node-1', accessMode: 'single-node-writer', readOnly: false, content: 'ext4' }],
        },
        recordProblem: undefined,
      },
    });
  });

  it.each([
    ['[]', []],
    ['null', null],
  ])('takes %s with a count of 0 for absent', (_text, disks) => {
    expect(parseVolumeAnswer(output({ ...GONE, disks }), context)).toBeUndefined();
  });

  it.each([
    ['a number beyond 2^53', '9007199254740993', 9_007_199_254_740_993n],
    ['a number that RouterOS made a fraction of', '53687091200.000000', 53_687_091_200n],
    ['text', '"9007199254740993"', 9_007_199_254_740_993n],
  ])('reads a size to the byte: %s', (_fact, size, expected) => {
    const line = JSON.stringify(there()).replace('1099511627776', size);
    expect(parseVolumeAnswer(printed(line), context)?.volume.sizeBytes).toBe(expected);
  });

  it.each([
    ['exported, as text', { 'nvme-tcp-export': 'yes' }, { exported: true }],
    ['exported, as other text', { 'nvme-tcp-export': 'true' }, { exported: true }],
    ['for one host', { 'nvme-tcp-server-allow-host-name': 'nqn.x:a' }, { allowedHost: 'nqn.x:a' }],
    ['for one host in a list', { 'nvme-tcp-server-allow-host-name': ['nqn.x:a'] }, { allowedHost: 'nqn.x:a' }],
    ['for two hosts', { 'nvme-tcp-server-allow-host-name': ['a', 'b'] }, { allowedHost: 'a,b' }],
    ['for any host', { 'nvme-tcp-server-allow-host-name': [] }, { allowedHost: '' }],
    ['not exported', { 'nvme-tcp-export': false }, { exported: false }],
    ['not exported, as text', { 'nvme-tcp-export': 'no' }, { exported: false }],
    ['export not told', { 'nvme-tcp-export': undefined }, { exported: false }],
    ['disabled', { disabled: true }, { exported: false }],
    ['a path without its slash', { 'file-path': filePath.slice(1) }, { filePath }],
    ['a port as text', { 'nvme-tcp-server-port': '4421' }, { nvmePort: 4421 }],
    ['no comment', { comment: undefined }, { comment: '', record: undefined }],
    ['a null comment', { comment: null }, { comment: '', record: undefined }],
    ['a comment of an older driver', { comment: 'my disk' }, { comment: 'my disk', record: undefined }],
  ])('reads a volume that is %s', (_fact, row, expected) => {
    expect(parseVolumeAnswer(output(there(row)), context)?.volume).toMatchObject(expected);
  });

  it.each([undefined, null, ''])('reads a disk without a device: its size is %j', (size) => {
    const answer = { ...there({ size }), ...NO_FILES };
    expect(parseVolumeAnswer(output(answer), context)).toMatchObject({
      hasDevice: false,
      volume: { sizeBytes: 0n, fileExists: false },
    });
  });

  it.each([
    ['its file listed', WITH_FILE, true],
    ['its file missing', NO_FILES, false],
    [
      'another file of this name alone',
      { files: [{ name: `storage-pool/metal-csi/old/${volumeId}.img` }], filesCount: 1 },
      false,
    ],
  ])('knows %s', (_fact, files, expected) => {
    expect(parseVolumeAnswer(output({ ...there(), ...files }), context)?.volume.fileExists).toBe(expected);
  });

  it.each([
    ['nothing', ''],
    ['white space', ' \r\n\r\n'],
    ['text', 'hello'],
    ['two lines', `${JSON.stringify(GONE)}\r\n${JSON.stringify(GONE)}`],
    ['a warning before it', `warning: clock\r\n${JSON.stringify(GONE)}`],
    ['no object', '[]'],
    ['null', 'null'],
    ['a number', '0'],
    ['an empty object', '{}'],
    ['an answer about another volume', JSON.stringify({ ...GONE, volume: 'pvc-x' })],
    ['a count without rows', JSON.stringify({ ...GONE, disksCount: 1 })],
    ['rows without their count', JSON.stringify({ ...there(), disksCount: 0 })],
    ['no count', JSON.stringify({ ...GONE, disksCount: undefined })],
    ['a count that is none', JSON.stringify({ ...GONE, disksCount: 'many' })],
    ['no rows', JSON.stringify({ ...GONE, disks: undefined })],
    ['rows as text', JSON.stringify({ ...GONE, disks: '' })],
    ['a row that is none', JSON.stringify({ ...GONE, disks: ['x'], disksCount: 1 })],
    ['ours, but not there', JSON.stringify({ ...GONE, oursCount: 1 })],
    ['there and ours by its row, but not by its count', JSON.stringify({ ...there(), oursCount: 0 })],
    ['another slot', JSON.stringify(there({ slot: 'pvc-6b2e7a4e-0000-4000-8000-00000000000b' }))],
    ['no size, and its file there', JSON.stringify({ ...there({ size: undefined }), ...WITH_FILE })],
    ['a size that is no number', JSON.stringify(there({ size: true }))],
    ['a rounded size', JSON.stringify(there({ size: '50.0GiB' }))],
    ['a grouped size', JSON.stringify(there({ size: '53 687 091 200' }))],
    ['a negative size', JSON.stringify(there({ size: -1 }))],
    ['a broken size', JSON.stringify(there({ size: 1.5 }))],
    ['a size as an exponent', JSON.stringify(there()).replace('1099511627776', '1e12')],
    ['an export that is neither', JSON.stringify(there({ 'nvme-tcp-export': 'maybe' }))],
    ['an export as a number', JSON.stringify(there({ 'nvme-tcp-export': 1 }))],
    ['a comment as a number', JSON.stringify(there({ comment: 5 }))],
    ['no port', JSON.stringify(there({ 'nvme-tcp-server-port': 0 }))],
    ['an error of no text', JSON.stringify({ error: {} })],
  ])('%s is unreadable', (_fact, stdout) => {
    expect(kindOf(() => parseVolumeAnswer(printed(stdout), context))).toBe('ArrayUnreadable');
  });

  it('tells what is wrong with a record that cannot be read', () => {
    const seen = parseVolumeAnswer(output(there({ comment: 'rds-csi/1 cluster=lab nodes=' })), context);
    expect(seen?.volume.record).toBeUndefined();
    expect(seen?.volume.recordProblem).toMatch(`${volumeId}: the comment "rds-csi/1 cluster=lab nodes=" is no record`);
  });

  it('takes anything on stderr beside an answer for unreadable', () => {
    expect(kindOf(() => parseVolumeAnswer(printed(JSON.stringify(GONE), 'x'), context))).toBe('ArrayUnreadable');
    expect(kindOf(() => parseVolumeAnswer(printed('', JSON.stringify(GONE)), context))).toBe('ArrayUnreadable');
  });

  it.each([
    ['syntax error (line 1 column 9)', ''],
    ['bad command name disks (line 1 column 2)', ''],
    ['expected end of command (line 1 column 20)', ''],
    ['input does not match any value of type', ''],
    ['', 'syntax error (line 1 column 9)'],
  ])('takes %j, %j for a refusal', (stdout, stderr) => {
    const fault = faultOf(() => parseVolumeAnswer(printed(stdout, stderr), context));
    expect(fault.kind).toBe('ArrayRefused');
    expect(fault.message).toContain(stdout + stderr);
  });

  it.each([
    ['failure: something odd (/disk/set; line 1)', 'ArrayRefused'],
    ['failure: not enough space (/disk/set; line 1)', 'ArrayRefused'],
    ['failure: already have such slot (/disk/add; line 1)', 'ArrayUnsettled'],
    ['failure: file is busy', 'ArrayUnsettled'],
  ] as const)('takes the error %j for %s', (error, kind) => {
    const fault = faultOf(() => parseVolumeAnswer(output({ error }), context));
    expect(fault.kind).toBe(kind);
    expect(fault.message).toContain(volumeId);
    expect(fault.message).toContain(error.slice(0, 20));
  });

  it('shortens and escapes what RouterOS says', () => {
    const { message } = faultOf(() => parseVolumeAnswer(output({ error: `\u001b[31m${'x'.repeat(500)}` }), context));
    expect(message.length).toBeLessThan(200);
    expect(message).not.toContain('\u001b');
  });

  it.each([
    ['another type', { type: 'ramdisk' }],
    ['another NQN', { 'nvme-tcp-server-nqn': 'nqn.2000-02.com.mikrotik:var' }],
    ['the NQN of none', { 'nvme-tcp-server-nqn': undefined }],
    ['a path elsewhere', { 'file-path': `/home/${volumeId}.img` }],
    ['a path beside a root', { 'file-path': `/storage-pool/metal-csi2/${volumeId}.img` }],
    ['a path that climbs', { 'file-path': `/storage-pool/metal-csi/../${volumeId}.img` }],
    ['the file of another volume', { 'file-path': '/storage-pool/metal-csi/x.img' }],
  ])('a disk in the slot with %s is not ours', (_fact, row) => {
    const answer = { ...there(row), oursCount: 0 };
    expect(kindOf(() => parseVolumeAnswer(output(answer), context))).toBe('NotOurs');
  });
});

describe('parseChangedAnswer', () => {
  const changed = (answer: object, isAsWished = true) =>
    parseChangedAnswer(output({ failure: '', ...answer }), { ...context, isAsWished: () => isAsWished });

  it('returns what is there', () => expect(changed(there())?.volume.volumeId).toBe(volumeId));

  it('judges the volume before what RouterOS said', () => {
    const failure = 'failure: timeout (/disk/set; line 1)';
    expect(changed({ ...there(), failure })?.volume.volumeId).toBe(volumeId);
    expect(changed({ ...GONE, failure })).toBeUndefined();
    expect(faultOf(() => changed({ ...there(), failure }, false))).toMatchObject({
      kind: 'ArrayRefused',
      message: expect.stringContaining(failure),
    });
    expect(kindOf(() => changed({ ...there(), failure: 'failure: busy' }, false))).toBe('ArrayUnsettled');
  });

  it.each([
    ['a damaged record', there({ comment: 'rds-csi/1 cluster=lab nodes=' })],
    ['no word on how it went', { ...there(), failure: undefined }],
  ])('with %s is unreadable', (_fact, answer) => {
    expect(kindOf(() => changed(answer))).toBe('ArrayUnreadable');
  });
});

describe('parseCreatedAnswer', () => {
  const created = (answer: object) =>
    parseCreatedAnswer(
      output({ failure: '', cleanup: '', mounts: '', pools: '', ...NO_USERS, ...WITH_FILE, ...answer }),
      {
        ...context,
        sizeBytes: 1_099_511_627_776n,
        volumePath: roots[0] ?? parseVolumePath('/x', 'path'),
        exported: true,
      },
    );
  const POOLS = {
    mounts: [{ slot: 'raid1', 'mount-point': 'storage-pool', size: 4_000_000_000_000, free: 1_000 }],
    pools: null,
  };

  it('returns what is there, with its file', () => {
    expect(created(there()).volume).toMatchObject({ fileExists: true, sizeBytes: 1_099_511_627_776n });
  });

  it.each(['failure: already have such slot', 'failure: odd', 'not enough space'])(
    'returns what is there as wished, though RouterOS said %j',
    (failure) => expect(created({ ...there(), failure }).volume.volumeId).toBe(volumeId),
  );

  it('names the disk that uses the file', () => {
    const users = { users: [{ slot: 'their disk', 'file-path': filePath }], usersCount: 1 };
    expect(faultOf(() => created({ ...GONE, ...users })).message).toContain('used by the disk "their disk"');
  });

  it.each([
    ['failure: not enough space', 'PoolExhausted'],
    ['failure: odd', 'ArrayRefused'],
  ])('says after %j that its file could not be taken away again', (failure, kind) => {
    const cleanup = 'failure: file is in use';
    expect(faultOf(() => created({ ...GONE, failure, cleanup }))).toMatchObject({
      kind,
      message: expect.stringMatching(/; its file stays, since RouterOS does not remove it: "failure: file is in use"$/),
    });
    const gone = faultOf(() => created({ ...GONE, ...NO_FILES, failure, cleanup }));
    expect(gone.message).not.toContain('its file stays');
  });

  it('names pool, free and asked bytes when there is no room', () => {
    const fault = faultOf(() => created({ ...GONE, ...NO_FILES, ...POOLS, failure: 'failure: not enough space (x)' }));
    expect(fault.kind).toBe('PoolExhausted');
    expect(fault.message).toBe(`${volumeId}: pool storage-pool has 1000 B free, asked for 1099511627776 B (1 TiB)`);
  });

  it.each([
    ['no pool is found', { mounts: null, pools: [] }],
    ['its row cannot be read', { mounts: [{ 'mount-point': 'storage-pool', free: 'much' }], pools: [] }],
  ])('is sure that there is no room, even if %s', (_fact, pools) => {
    const answer = { ...GONE, ...NO_FILES, ...pools, failure: 'failure: not enough space' };
    expect(kindOf(() => created(answer))).toBe('PoolExhausted');
  });

  it.each([
    ['RouterOS refuses', { ...GONE, ...NO_FILES, failure: 'failure: no such directory' }, 'ArrayRefused'],
    ['another was faster, and is smaller', { ...there({ size: 5 }), failure: 'failure: already' }, 'ArrayUnsettled'],
    [
      'the export cannot be turned on',
      { ...there({ 'nvme-tcp-export': false }), failure: 'failure: odd' },
      'ArrayRefused',
    ],
    ['its record is damaged', there({ comment: 'RDS-CSI/1' }), 'ArrayUnreadable'],
    [
      'another disk uses the file',
      { ...GONE, users: [{ slot: 'theirs', 'file-path': filePath }], usersCount: 1 },
      'NotOurs',
    ],
    ['nothing is there after all', { ...GONE, ...NO_FILES }, 'ArrayUnsettled'],
    ['a larger file is in the way', { ...GONE, files: [{ ...FILE, size: 1_099_511_627_777 }] }, 'VolumeExists'],
    ['a file that fits was not used', { ...GONE }, 'ArrayUnreadable'],
    ['a file of no known size is in the way', { ...GONE, files: [{ ...FILE, size: undefined }] }, 'ArrayUnreadable'],
    ['the slot is taken', { ...there({ type: 'ramdisk' }), oursCount: 0, ...NO_FILES }, 'NotOurs'],
  ] as const)('throws when %s', (_fact, answer, kind) => expect(kindOf(() => created(answer))).toBe(kind));
});

describe('parseGrownAnswer', () => {
  const grown = (answer: object) =>
    parseGrownAnswer(output({ failure: '', mounts: '', pools: '', ...answer }), { ...context, sizeBytes: 2n ** 41n });

  it('returns what is there', () => expect(grown(there())?.volume.sizeBytes).toBe(1_099_511_627_776n));
  it('returns nothing for an empty slot', () => expect(grown(GONE)).toBeUndefined());
  it('returns a volume that has the size, though RouterOS said otherwise', () => {
    expect(grown({ ...there({ size: 2 ** 41 }), failure: 'failure: odd' })?.volume.sizeBytes).toBe(2n ** 41n);
    expect(kindOf(() => grown({ ...there(), failure: 'failure: odd' }))).toBe('ArrayRefused');
  });
  it('does not read over a damaged record', () =>
    expect(kindOf(() => grown(there({ comment: 'rds-csi/1' })))).toBe('ArrayUnreadable'));

  it('finds the pool of the file', () => {
    const pools = {
      mounts: [],
      pools: [{ slot: 'storage-pool', size: 9, free: 5 }],
      failure: 'no space left on device',
    };
    const fault = faultOf(() => grown({ ...there(), ...pools }));
    expect(fault).toMatchObject({
      kind: 'PoolExhausted',
      message: expect.stringContaining('pool storage-pool has 5 B free'),
    });
  });
});

describe('parseRemovedAnswer', () => {
  const removed = (answer: object) =>
    parseRemovedAnswer(
      output({ failure: '', own: '', ...NO_USERS, ...NO_FILES, subvolumes: [], subvolumesCount: 0, ...answer }),
      { ...context, files: 'any' },
    );

  it.each([
    ['all gone', GONE, { volume: undefined, fileExists: false }],
    ['the file still there', { ...GONE, ...WITH_FILE }, { volume: undefined, fileExists: true }],
    [
      'gone, a copy of it in a snapshot still there',
      { ...GONE, ...WITH_FILE, subvolumes: [{ name: 'metal-csi', parent: 'other' }], subvolumesCount: 1 },
      { volume: undefined, fileExists: false },
    ],
    [
      'its own file, in a snapshot, still there',
      {
        ...GONE,
        ...WITH_FILE,
        own: filePath,
        subvolumes: [{ name: 'metal-csi', parent: 'other' }],
        subvolumesCount: 1,
      },
      { volume: undefined, fileExists: true },
    ],
    ['gone in spite of an error', { ...GONE, failure: 'no such item' }, { volume: undefined, fileExists: false }],
  ])('%s', (_fact, answer, expected) => expect(removed(answer)).toEqual(expected));

  it('returns the disk that was left', () => {
    const left = removed({ ...there(), ...WITH_FILE, users: [{ slot: volumeId }], usersCount: 1 });
    expect(left).toMatchObject({ volume: { volumeId }, fileExists: true });
  });

  it.each([
    [
      'the file is used by another disk',
      { ...GONE, ...WITH_FILE, users: [{ slot: 'other' }], usersCount: 1 },
      'NotOurs',
    ],
    ['the file could not be removed', { ...GONE, ...WITH_FILE, failure: 'failure: odd' }, 'ArrayRefused'],
    ['the file is busy', { ...GONE, ...WITH_FILE, failure: 'failure: file busy' }, 'ArrayUnsettled'],
    ['the disk could not be removed', { ...there(), ...WITH_FILE, failure: 'failure: odd' }, 'ArrayRefused'],
    ['its record is damaged', { ...there({ comment: 'rds-csi/1' }), ...WITH_FILE }, 'ArrayUnreadable'],
  ] as const)('throws when %s', (_fact, answer, kind) => expect(kindOf(() => removed(answer))).toBe(kind));
});

describe('parseListAnswer', () => {
  const other = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000b');
  const otherRow = {
    ...ROW,
    slot: other,
    'file-path': `/storage-pool/metal-csi/${other}.img`,
    'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${other}`,
  };
  const listed = (...disks: object[]) => parseListAnswer(output({ disks, disksCount: disks.length }), roots);

  it('lists what is ours, and nothing else', () => {
    const foreign = [
      { ...ROW, slot: 'pvc-1-2-3-4-5' },
      { ...ROW, slot: 'pvc-6b2e7a4e-0000-4000-8000-00000000000c' },
      { slot: 'pvc-6b2e7a4e-0000-4000-8000-00000000000d', type: 'hardware' },
    ];
    expect(listed(ROW, ...foreign, otherRow).map(({ volumeId }) => volumeId)).toEqual([volumeId, other]);
  });

  it('lists a volume whose disk has no device, and all others', () => {
    expect(listed({ ...ROW, size: undefined }, otherRow)).toMatchObject([{ sizeBytes: 0n }, { volumeId: other }]);
  });

  it('lists a volume whose record is damaged, and all others', () => {
    expect(listed({ ...ROW, comment: 'RDS-CSI/1' }, otherRow)).toMatchObject([
      { volumeId, record: undefined, recordProblem: expect.stringContaining('"RDS-CSI/1"') },
      { volumeId: other, recordProblem: undefined },
    ]);
  });

  it('is empty where RouterOS has counted none', () => {
    expect(parseListAnswer(output({ disks: null, disksCount: 0 }), roots)).toEqual([]);
  });

  it.each([
    ['a size that is rounded', [ROW, { ...otherRow, size: '1.0TiB' }]],
    ['a path that is no text', [ROW, { ...otherRow, 'file-path': 5 }]],
    ['a slot twice', [ROW, ROW]],
  ])('%s makes the whole list unreadable', (_fact, disks) => {
    expect(kindOf(() => listed(...disks))).toBe('ArrayUnreadable');
  });

  it('misses no row', () => {
    expect(kindOf(() => parseListAnswer(output({ disks: [ROW], disksCount: 2 }), roots))).toBe('ArrayUnreadable');
  });
});

describe('parsePoolAnswer', () => {
  const pool = (mounts: object[], pools: object[]) =>
    parsePoolAnswer(output({ mounts, mountsCount: mounts.length, pools, poolsCount: pools.length }), 'storage-pool');
  const row = { slot: 'raid1', 'mount-point': 'storage-pool', size: 400, free: 100 };
  const expected = { name: 'storage-pool', sizeBytes: 400n, freeBytes: 100n };

  it.each([
    ['by its mount point', [row], []],
    ['by its mount point with a slash', [{ ...row, 'mount-point': '/storage-pool' }], []],
    ['by its slot', [], [{ ...row, slot: 'storage-pool', 'mount-point': undefined }]],
    ['by its mount point before its slot', [row], [{ slot: 'storage-pool', size: 1, free: 1 }]],
  ])('finds the pool %s', (_fact, mounts, pools) => expect(pool(mounts, pools)).toEqual(expected));

  it('says which pool there is not', () => {
    expect(faultOf(() => pool([], []))).toMatchObject({
      kind: 'ArrayRefused',
      message: expect.stringContaining('storage-pool'),
    });
  });
  it('does not guess between two', () => expect(kindOf(() => pool([row, row], []))).toBe('ArrayUnreadable'));
  it('does not guess what is free', () =>
    expect(kindOf(() => pool([{ ...row, free: '' }], []))).toBe('ArrayUnreadable'));
});

describe('an answer that is not whole', () => {
  const lines = [there(), GONE, { ...GONE, ...NO_FILES }].map((answer) => JSON.stringify(answer));

  it.each(lines)('cut off at any byte is unreadable: %s', (line) => {
    for (let length = 0; length < line.length; length += 1) {
      expect(kindOf(() => parseVolumeAnswer(printed(line.slice(0, length)), context))).toBe('ArrayUnreadable');
    }
  });

  it('garbage is never "absent"', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (stdout) => {
        expect(['ArrayUnreadable', 'ArrayRefused']).toContain(
          kindOf(() => parseVolumeAnswer(printed(stdout), context)),
        );
      }),
    );
  });

  it('an answer in which a byte has changed is never "absent" where a volume is', () => {
    const line = JSON.stringify(there());
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.constantFrom(...Array.from('0x"{}[],: ')), (at, character) => {
        const changed = line.slice(0, at) + character + line.slice(at + 1);
        const read = () => parseVolumeAnswer(printed(changed), context);
        let seen: ReturnType<typeof read> | 'fault' = 'fault';
        try {
          seen = read();
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
        expect(seen).toBeDefined();
      }),
    );
  });
});
