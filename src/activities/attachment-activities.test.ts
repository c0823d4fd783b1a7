import { describe, expect, it } from '@jest/globals';
import type { AttachChange, DetachChange, DisksPort, RecordChange } from '../adapters/routeros/port';
import { parseAccessMode } from '../domain/capability';
import type { ExportChange, Fencing } from '../domain/export';
import { Fault } from '../domain/fault';
import { hostNqnOf } from '../domain/host-nqn';
import { parseNodeId } from '../domain/nqn';
import { formatRecord, parseClusterId, type VolumeRecord } from '../domain/record';
import { parseBytes } from '../domain/size';
import type { Volume } from '../domain/volume';
import { parseVolumeId } from '../domain/volume-id';
import { type AttachmentEvent, createAttachmentActivities } from './attachment-activities';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');
const clusterId = parseClusterId('c1', 'clusterId');
const MULTI = 'multi-node-multi-writer';
const SINGLE = 'single-node-writer';
const nqnOf = (node: string): string => hostNqnOf(parseNodeId(node, 'node'));

const recordOf = (mode: string, ...nodes: string[]): VolumeRecord => ({
  clusterId,
  claim: { namespace: 'shop', name: 'data' },
  attachments: nodes.map((node) => ({
    nodeId: parseNodeId(node, 'node'),
    accessMode: parseAccessMode(mode, 'mode'),
    readOnly: false,
    content: 'block',
  })),
});

const volumeOf = (record: VolumeRecord | undefined, partial: Partial<Volume> = {}): Volume => ({
  volumeId,
  sizeBytes: parseBytes(1n, 'size'),
  filePath: `/storage-pool/metal-csi/${volumeId}.img`,
  nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
  nvmePort: 4420,
  exported: true,
  allowedHost: '',
  fileExists: true,
  comment: record ? formatRecord(record) : '',
  record,
  recordProblem: undefined,
  ...partial,
});

/** One volume that a person or an earlier try left as it is; what is asked of it is kept, and its record is written as asked. */
function arrayWith(
  before: Volume | undefined,
  { fencing = 'off', disabled = false }: { readonly fencing?: Fencing; readonly disabled?: boolean } = {},
) {
  const changes: (readonly [string, ExportChange])[] = [];
  const events: AttachmentEvent[] = [];
  let volume = before;
  const apply = (name: string, change: ExportChange, record: VolumeRecord): Volume | undefined => {
    changes.push([name, change]);
    const wished = {
      'as-it-is': {},
      on: { exported: !disabled },
      'any-host': { exported: !disabled, allowedHost: '' },
      'one-host': {
        exported: !disabled,
        allowedHost: change.wish.kind === 'one-host' ? change.wish.hostNqn : '',
      },
      off: { exported: false, allowedHost: '' },
    }[change.wish.kind];
    volume = volume && { ...volume, ...wished, record, comment: formatRecord(record) };
    return volume;
  };
  const isFree = (): boolean => volume?.record?.clusterId === clusterId && volume.record.attachments.length === 0;
  const unexpected = (): never => {
    throw new Error('not expected in this test');
  };
  const disks: DisksPort = {
    create: unexpected,
    list: unexpected,
    survey: unexpected,
    resize: unexpected,
    remove: unexpected,
    pool: unexpected,
    find: () => Promise.resolve(volume),
    attach: (_id, { attachment, exportChange }: AttachChange) =>
      Promise.resolve(
        isFree() && volume?.record
          ? apply('attach', exportChange, { ...volume.record, attachments: [attachment] })
          : volume,
      ),
    detach: (_id, { nodeId, exportChange }: DetachChange) => {
      const held = volume?.record?.attachments ?? [];
      const isLast = held.length === 1 && held[0]?.nodeId === nodeId && volume?.record?.clusterId === clusterId;
      return Promise.resolve(
        isLast && volume?.record ? apply('detach', exportChange, { ...volume.record, attachments: [] }) : volume,
      );
    },
    writeRecord: (_id, { expectedComment, record, exportChange }: RecordChange) =>
      Promise.resolve(volume?.comment === expectedComment ? apply('writeRecord', exportChange, record) : volume),
  };
  const activities = createAttachmentActivities({
    disks,
    fencing,
    inTurn: (_id, act) => act(),
    onAttachment: (event) => events.push(event),
  });
  return {
    activities,
    changes,
    events,
    get volume() {
      return volume;
    },
    attach: (nodeId: string, accessMode = SINGLE) =>
      activities.attachVolume({
        volumeId,
        clusterId,
        attachment: { nodeId, accessMode, readOnly: false, content: 'block' },
      }),
    detach: (nodeId: string) => activities.detachVolume({ volumeId, clusterId, nodeId }),
    clear: (nodeIds: string[], judgedComment = before?.comment ?? '') =>
      activities.clearAttachments({ volumeId, clusterId, nodeIds, judgedComment }),
    ensureExport: () => activities.ensureExport({ volumeId, clusterId }),
  };
}

const fenced = { fencing: 'allow-host' } as const;
const off = { exported: false, allowedHost: '' };
const forNode = (node: string) => ({ exported: true, allowedHost: nqnOf(node) });

describe('attaching with fencing', () => {
  it.each<[string, Volume, string, string, ReturnType<typeof forNode>, boolean]>([
    ['one that no node has', volumeOf(recordOf(SINGLE), off), 'a', SINGLE, forNode('a'), true],
    ['one that was left open', volumeOf(recordOf(SINGLE)), 'a', SINGLE, forNode('a'), true],
    ['one of an older driver, whose sessions stay', volumeOf(undefined), 'a', SINGLE, forNode('a'), false],
    [
      'the second node of a migration: one value cannot name two',
      volumeOf(recordOf(MULTI, 'a'), forNode('a')),
      'b',
      MULTI,
      { exported: true, allowedHost: '' },
      false,
    ],
    ['one that it has, from before fencing', volumeOf(recordOf(SINGLE, 'a')), 'a', SINGLE, forNode('a'), false],
    [
      'one that it has, with another host in the property',
      volumeOf(recordOf(SINGLE, 'a'), forNode('b')),
      'a',
      SINGLE,
      forNode('a'),
      false,
    ],
    ['one that it has, turned off', volumeOf(recordOf(SINGLE, 'a'), off), 'a', SINGLE, forNode('a'), false],
  ])('%s', async (_fact, before, node, mode, after, endSessions) => {
    const array = arrayWith(before, fenced);
    await array.attach(node, mode);
    expect(array.volume).toMatchObject(after);
    expect(array.changes).toEqual([[expect.any(String), { wish: expect.anything(), endSessions }]]);
  });

  it('changes nothing where all is so already', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE, 'a'), forNode('a')), fenced);
    await array.attach('a');
    expect(array.changes).toEqual([]);
  });

  it('is taken back by the next attach without fencing', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE, 'a'), forNode('a')));
    await array.attach('a');
    expect(array.volume).toMatchObject({ exported: true, allowedHost: '' });
    const free = arrayWith(volumeOf(recordOf(SINGLE), off));
    await free.attach('a');
    expect(free.volume).toMatchObject({ exported: true, allowedHost: '' });
    // Nothing names the host that is not there.
    expect(free.changes).toEqual([['attach', { wish: { kind: 'on' }, endSessions: false }]]);
    const named = arrayWith(volumeOf(recordOf(SINGLE), forNode('b')));
    await named.attach('a');
    expect(named.volume).toMatchObject({ exported: true, allowedHost: '' });
    expect(named.changes.map(([, { wish }]) => wish.kind)).toEqual(['on', 'any-host']);
  });
});

describe('detaching with fencing', () => {
  it.each<[string, Volume, string, object, string[]]>([
    ['the last node', volumeOf(recordOf(SINGLE, 'a'), forNode('a')), 'a', off, ['detach']],
    ['one of two', volumeOf(recordOf(MULTI, 'a', 'b')), 'a', forNode('b'), ['writeRecord']],
    ['one that no node has, and that was left on', volumeOf(recordOf(SINGLE)), 'a', off, ['writeRecord']],
    ['one that no node has', volumeOf(recordOf(SINGLE), off), 'a', off, []],
    ['one that another node has', volumeOf(recordOf(SINGLE, 'b')), 'a', { exported: true, allowedHost: '' }, []],
    ['one of an older driver, which may be in use', volumeOf(undefined), 'a', { exported: true }, []],
    [
      'one of another cluster',
      volumeOf({ ...recordOf(SINGLE), clusterId: parseClusterId('theirs', 'c') }),
      'a',
      { exported: true },
      [],
    ],
  ])('%s', async (_fact, before, node, after, changes) => {
    const array = arrayWith(before, fenced);
    await array.detach(node);
    expect(array.volume).toMatchObject(after);
    expect(array.changes.map(([name]) => name)).toEqual(changes);
    expect(array.changes.some(([, { endSessions }]) => endSessions)).toBe(false);
  });
});

describe('detachVolume', () => {
  it.each<[string, Volume | undefined, object | undefined]>([
    ['one of two writers', volumeOf(recordOf(MULTI, 'a', 'b')), { mayEndMigration: true }],
    ['one of two writers, again', volumeOf(recordOf(MULTI, 'b')), { mayEndMigration: true }],
    ['the last', volumeOf(recordOf(MULTI, 'a')), undefined],
    ['a volume of one node', volumeOf(recordOf(SINGLE, 'a')), undefined],
    ['no volume', undefined, undefined],
  ])('tells whether a migration may have ended: %s', async (_fact, before, result) => {
    await expect(arrayWith(before).detach('a')).resolves.toEqual(result);
  });
});

describe('attachVolume', () => {
  it('tells of the migration that it makes, and of the one that is there', async () => {
    const migration = { nodeIds: ['a', 'b'], claim: { namespace: 'shop', name: 'data' } };
    const array = arrayWith(volumeOf(recordOf(MULTI, 'a')));
    await expect(array.attach('b', MULTI)).resolves.toEqual({ migration });
    await expect(array.attach('a', MULTI)).resolves.toEqual({ migration });
  });

  it('is told of with its claim, once, unless others have the volume or it is to be tried again', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE)));
    await array.attach('a');
    await expect(array.attach('b')).rejects.toMatchObject({ kind: 'VolumeInUse' });
    expect(array.events).toEqual([
      {
        operation: 'attach',
        status: 'success',
        volumeId,
        nodeIds: ['a'],
        claim: { namespace: 'shop', name: 'data' },
        seconds: expect.any(Number),
      },
    ]);
    const gone = arrayWith(undefined);
    await expect(gone.attach('a')).rejects.toMatchObject({ kind: 'VolumeNotFound' });
    expect(gone.events).toMatchObject([{ operation: 'attach', status: 'failure' }]);
  });
});

describe('findAttachments', () => {
  const find = (volume: Volume | undefined) => arrayWith(volume).activities.findAttachments({ volumeId, clusterId });

  it('tells who has the volume, and by which text', async () => {
    const record = recordOf(MULTI, 'a', 'b');
    await expect(find(volumeOf(record))).resolves.toEqual({
      attachments: record.attachments,
      migratingNodeIds: ['a', 'b'],
      claim: { namespace: 'shop', name: 'data' },
      comment: formatRecord(record),
    });
  });

  it.each([
    ['no volume', undefined],
    ['no record', volumeOf(undefined)],
    ["another cluster's", volumeOf({ ...recordOf(SINGLE, 'a'), clusterId: parseClusterId('theirs', 'c') })],
  ])('finds nobody: %s', async (_fact, volume) => {
    await expect(find(volume)).resolves.toMatchObject({ attachments: [] });
  });

  it('never takes a record that cannot be read for nobody', async () => {
    const damaged = volumeOf(undefined, { comment: 'rds-csi/1', recordProblem: 'no record that can be read' });
    await expect(find(damaged)).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
  });
});

describe('clearAttachments', () => {
  it.each<[string, 'off' | 'allow-host', VolumeRecord, object, ExportChange]>([
    ['without fencing', 'off', recordOf(SINGLE, 'a'), { exported: true }, asItIs(false)],
    [
      'with fencing, nobody is left',
      'allow-host',
      recordOf(SINGLE, 'a'),
      off,
      { wish: { kind: 'off' }, endSessions: true },
    ],
    [
      'with fencing, one is left, whose session comes back',
      'allow-host',
      recordOf(MULTI, 'a', 'b'),
      forNode('b'),
      { wish: { kind: 'one-host', hostNqn: nqnOf('b') }, endSessions: true },
    ],
  ])('%s', async (_fact, fencing, record, after, change) => {
    const array = arrayWith(volumeOf(record), { fencing });
    await array.clear(['a']);
    expect(array.volume).toMatchObject(after);
    expect(array.volume?.record?.attachments.map(({ nodeId }) => nodeId)).not.toContain('a');
    expect(array.changes).toEqual([['writeRecord', change]]);
    expect(array.events).toMatchObject([{ operation: 'clear', status: 'success', nodeIds: ['a'] }]);
  });

  it('is done a second time without doing anything', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE)), fenced);
    await array.clear(['a'], 'what was judged');
    expect(array.changes).toEqual([]);
  });

  it('does nothing where the record is another than the one that was judged', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE, 'a')), fenced);
    await expect(array.clear(['a'], 'what was judged')).rejects.toMatchObject({ kind: 'OperationConflict' });
    expect(array.changes).toEqual([]);
  });

  it('does nothing while the record cannot be read', async () => {
    const array = arrayWith(volumeOf(undefined, { comment: 'rds-csi/1', recordProblem: 'no record' }), fenced);
    await expect(array.clear(['a'])).rejects.toBeInstanceOf(Fault);
  });
});

describe('ensureExport', () => {
  it.each<[string, Volume | undefined, Fencing, string, object | undefined]>([
    ['no volume', undefined, 'off', 'not-wanted', undefined],
    ['no record', volumeOf(undefined, off), 'off', 'not-wanted', off],
    ['nobody has it', volumeOf(recordOf(SINGLE), off), 'off', 'not-wanted', off],
    [
      "another cluster's node has it",
      volumeOf({ ...recordOf(SINGLE, 'a'), clusterId: parseClusterId('theirs', 'c') }, off),
      'off',
      'not-wanted',
      off,
    ],
    ['it is on', volumeOf(recordOf(SINGLE, 'a')), 'off', 'served', { exported: true }],
    ['it is off', volumeOf(recordOf(SINGLE, 'a'), off), 'off', 'restored', { exported: true, allowedHost: '' }],
    ['it is off, with fencing', volumeOf(recordOf(SINGLE, 'a'), off), 'allow-host', 'restored', forNode('a')],
    ['it lets another host in', volumeOf(recordOf(SINGLE, 'a'), forNode('b')), 'allow-host', 'restored', forNode('a')],
    ['it is on, with fencing', volumeOf(recordOf(SINGLE, 'a'), forNode('a')), 'allow-host', 'served', forNode('a')],
  ])('%s', async (_fact, before, fencing, state, after) => {
    const array = arrayWith(before, { fencing });
    await expect(array.ensureExport()).resolves.toEqual({ state });
    if (after) expect(array.volume).toMatchObject(after);
    expect(array.changes).toHaveLength(state === 'restored' ? 1 : 0);
  });

  it('leaves a disk disabled that a person has disabled, and says so', async () => {
    const array = arrayWith(volumeOf(recordOf(SINGLE, 'a'), off), { disabled: true });
    await expect(array.ensureExport()).resolves.toEqual({ state: 'disabled' });
  });
});

function asItIs(endSessions: boolean): ExportChange {
  return { wish: { kind: 'as-it-is' }, endSessions };
}
