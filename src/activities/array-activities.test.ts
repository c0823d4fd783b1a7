import { describe, expect, it } from '@jest/globals';
import type { DisksPort } from '../adapters/routeros/port';
import { parseAccessMode } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseNodeId } from '../domain/nqn';
import { formatRecord, parseClusterId, type VolumeRecord } from '../domain/record';
import { parseBytes } from '../domain/size';
import type { Volume } from '../domain/volume';
import { parseVolumeId } from '../domain/volume-id';
import { createArrayActivities } from './array-activities';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');
const clusterId = parseClusterId('c1', 'clusterId');
const asItIs = { wish: { kind: 'as-it-is' }, endSessions: false };
const GIB = 1_073_741_824n;

const recordOf = (...nodes: string[]): VolumeRecord => ({
  clusterId,
  claim: undefined,
  attachments: nodes.map((node) => ({
    nodeId: parseNodeId(node, 'node'),
    accessMode: parseAccessMode('single-node-writer', 'mode'),
    readOnly: false,
    content: 'ext4',
  })),
});

const theirs = { ...recordOf(), clusterId: parseClusterId('other', 'clusterId') };

const volumeOf = (partial: Partial<Volume> = {}): Volume => {
  const record = 'record' in partial ? partial.record : recordOf();
  return {
    volumeId,
    sizeBytes: parseBytes(GIB, 'size'),
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
  };
};

const unexpected = (): never => {
  throw new Error('not expected in this test');
};

const disksOf = (partial: Partial<DisksPort>): DisksPort => ({
  create: unexpected,
  find: unexpected,
  list: unexpected,
  survey: unexpected,
  resize: unexpected,
  remove: unexpected,
  attach: unexpected,
  detach: unexpected,
  writeRecord: unexpected,
  pool: unexpected,
  ...partial,
});

const activitiesOver = (partial: Partial<DisksPort>) =>
  createArrayActivities({ disks: disksOf(partial), fencing: 'off', onAttachment: () => {} });
const fault = (kind: string, words = '') => expect.objectContaining({ kind, message: expect.stringContaining(words) });

const createInput = {
  volumeId,
  sizeBytes: String(GIB),
  volumePath: '/storage-pool/metal-csi',
  nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
  nvmePort: 4420,
  clusterId,
};

describe('ensureVolume', () => {
  const ensure = (volume: Volume, input = {}) =>
    activitiesOver({ create: () => Promise.resolve(volume) }).ensureVolume({ ...createInput, ...input });

  it('returns the size that the RDS reports', async () => {
    await expect(ensure(volumeOf())).resolves.toEqual({ sizeBytes: String(GIB) });
  });

  it.each<[string, Partial<Volume>, object, string]>([
    ['smaller', { sizeBytes: parseBytes(GIB - 1n, 'size') }, {}, 'asked for 1 GiB'],
    ['larger, and no limit', { sizeBytes: parseBytes(GIB + 1n, 'size') }, {}, 'asked for 1 GiB'],
    [
      'above the limit',
      { sizeBytes: parseBytes(3n * GIB, 'size') },
      { limitBytes: String(2n * GIB) },
      '1 GiB to 2 GiB',
    ],
    ['elsewhere', { filePath: `/storage-pool/old/${volumeId}.img` }, {}, '/storage-pool/old/'],
    ['exported by another name', { nqn: 'nqn.2000-02.com.example:x' }, {}, 'nqn.2000-02.com.example:x'],
    ['exported on another port', { nvmePort: 4421 }, {}, '4421'],
    [
      "another cluster's",
      { record: { ...recordOf(), clusterId: parseClusterId('other', 'clusterId') } },
      {},
      'belongs to cluster other',
    ],
  ])('is not content with a volume that is %s', async (_fact, partial, input, words) => {
    await expect(ensure(volumeOf(partial), input)).rejects.toThrow(fault('VolumeExists', words));
  });

  it('takes an existing volume whose size is in the range, or that an older driver has made', async () => {
    const larger = volumeOf({ sizeBytes: parseBytes(2n * GIB, 'size') });
    await expect(ensure(larger, { limitBytes: String(2n * GIB) })).resolves.toEqual({ sizeBytes: String(2n * GIB) });
    await expect(ensure(volumeOf({ record: undefined }))).resolves.toEqual({ sizeBytes: String(GIB) });
  });

  it.each<[string, Partial<Volume>, string]>([
    ['not exported', { exported: false }, 'not exported'],
    ['without its file', { fileExists: false }, 'without its backing file'],
  ])('never says OK for a volume that reads back as %s', async (_fact, partial, words) => {
    await expect(ensure(volumeOf(partial))).rejects.toThrow(fault('ArrayContractBroken', words));
  });
});

describe('removeVolume', () => {
  const remove = (volume: Volume | undefined, fileExists: boolean) =>
    activitiesOver({ remove: () => Promise.resolve({ volume, fileExists }) }).removeVolume({ volumeId, clusterId });

  it('is done when neither disk nor file is there', async () => {
    await expect(remove(undefined, false)).resolves.toBeUndefined();
  });

  it.each<[string, Volume | undefined, boolean, string, string]>([
    ['the file is still there', undefined, true, 'ArrayUnsettled', 'backing file'],
    ['the disk is still there', volumeOf(), true, 'ArrayUnsettled', 'still there'],
    ['a node has it', volumeOf({ record: recordOf('node-a') }), true, 'VolumeInUse', 'node-a'],
    [
      'it is another cluster’s',
      volumeOf({ record: { ...recordOf(), clusterId: parseClusterId('other', 'clusterId') } }),
      true,
      'NotOurs',
      'cluster other',
    ],
  ])('is not done when %s', async (_fact, volume, fileExists, kind, words) => {
    await expect(remove(volume, fileExists)).rejects.toThrow(fault(kind, words));
  });
});

describe('growVolume', () => {
  const grow = (volume: Volume | undefined, input = {}) =>
    activitiesOver({ resize: () => Promise.resolve(volume) }).growVolume({
      volumeId,
      sizeBytes: String(GIB),
      ...input,
    });

  it.each<[string, Volume | undefined, object, string]>([
    ['there is no such volume', undefined, {}, 'VolumeNotFound'],
    ['it did not grow', volumeOf({ sizeBytes: parseBytes(1n, 'size') }), {}, 'ArrayContractBroken'],
    [
      'it is above the limit',
      volumeOf({ sizeBytes: parseBytes(3n * GIB, 'size') }),
      { limitBytes: String(GIB) },
      'SizeOutOfRange',
    ],
    ["it is another cluster's, large enough or not", volumeOf({ record: theirs }), { clusterId }, 'NotOurs'],
  ])('fails when %s', async (_fact, volume, input, kind) => {
    await expect(grow(volume, input)).rejects.toThrow(fault(kind));
  });

  it('does not ask whose it is where the caller does not say who it is itself', async () => {
    await expect(grow(volumeOf({ record: theirs }))).resolves.toEqual({ sizeBytes: String(GIB) });
  });
});

describe('attachVolume', () => {
  const attachment = { nodeId: 'node-a', accessMode: 'single-node-writer', readOnly: false, content: 'ext4' };
  const attach = (partial: Partial<DisksPort>) =>
    activitiesOver(partial).attachVolume({ volumeId, clusterId, attachment });

  it('is one act in the common case', async () => {
    const attached = volumeOf({ record: recordOf('node-a') });
    await expect(attach({ attach: () => Promise.resolve(attached) })).resolves.toBeUndefined();
  });

  it('gives a volume of an older driver its record, by compare and set', async () => {
    const written: [string, VolumeRecord][] = [];
    await attach({
      attach: () => Promise.resolve(volumeOf({ record: undefined, comment: 'hello' })),
      writeRecord: (_id, { expectedComment, record }) => {
        written.push([expectedComment, record]);
        return Promise.resolve(volumeOf({ record }));
      },
    });
    expect(written).toEqual([['hello', recordOf('node-a')]]);
  });

  it('names the node that has it', async () => {
    const held = volumeOf({ record: recordOf('node-b') });
    await expect(attach({ attach: () => Promise.resolve(held) })).rejects.toThrow(fault('VolumeInUse', 'node-b'));
  });

  it('turns an export on that someone has turned off', async () => {
    let writes = 0;
    await attach({
      attach: () => Promise.resolve(volumeOf({ record: recordOf('node-a'), exported: false })),
      writeRecord: (_id, { record }) => {
        writes += 1;
        return Promise.resolve(volumeOf({ record }));
      },
    });
    expect(writes).toBe(1);
  });

  it('gives up after two scripts when the record does not stay as written, and may be tried again', async () => {
    const scripts: string[] = [];
    const act = (name: string) => () => {
      scripts.push(name);
      return Promise.resolve(volumeOf());
    };
    await expect(attach({ attach: act('attach'), writeRecord: act('writeRecord') })).rejects.toThrow(
      fault('ArrayUnsettled'),
    );
    expect(scripts).toEqual(['attach', 'writeRecord']);
  });

  it('waits until an earlier try of the volume has ended, which nobody waits for any more', async () => {
    const gate = Promise.withResolvers<Volume>();
    const scripts: string[] = [];
    const activities = activitiesOver({
      create: () => {
        scripts.push('create');
        return gate.promise;
      },
      attach: () => {
        scripts.push('attach');
        return Promise.resolve(volumeOf({ record: recordOf('node-a') }));
      },
    });
    const earlier = activities.ensureVolume(createInput);
    const later = activities.attachVolume({ volumeId, clusterId, attachment });
    await new Promise(setImmediate);
    expect(scripts).toEqual(['create']);
    gate.reject(new Error('lost'));
    await expect(earlier).rejects.toThrow('lost');
    await later;
    expect(scripts).toEqual(['create', 'attach']);
  });

  it('knows a volume that is not there', async () => {
    await expect(attach({ attach: () => Promise.resolve(undefined) })).rejects.toThrow(fault('VolumeNotFound'));
  });
});

describe('detachVolume', () => {
  it.each<[string, Volume | undefined]>([
    ['there is no such volume', undefined],
    ['no node has it', volumeOf()],
    ['another node has it', volumeOf({ record: recordOf('node-b') })],
    ['an older driver has made it', volumeOf({ record: undefined })],
    [
      "another cluster's node of this name has it",
      volumeOf({ record: { ...recordOf('node-a'), clusterId: theirs.clusterId } }),
    ],
  ])('is done when %s', async (_fact, volume) => {
    const detached = activitiesOver({ detach: () => Promise.resolve(volume) });
    await expect(detached.detachVolume({ volumeId, clusterId, nodeId: 'node-a' })).resolves.toBeUndefined();
  });

  it('is done when something that is not ours is in the slot', async () => {
    const notOurs = () => Promise.reject(new Fault('NotOurs', 'its slot is taken'));
    const activities = activitiesOver({ detach: notOurs, find: notOurs });
    await expect(activities.detachVolume({ volumeId, clusterId, nodeId: 'node-a' })).resolves.toBeUndefined();
    await expect(activities.detachVolume({ volumeId, clusterId })).resolves.toBeUndefined();
  });

  it('is not done while the record cannot be read', async () => {
    const find = () => Promise.resolve(volumeOf({ record: undefined, recordProblem: 'no record that can be read' }));
    await expect(activitiesOver({ find }).detachVolume({ volumeId, clusterId })).rejects.toThrow(
      fault('ArrayUnreadable', 'no record'),
    );
  });

  it('does not turn an export on, and gives up after two scripts', async () => {
    const held = volumeOf({ record: recordOf('node-a', 'node-b') });
    const changes: unknown[] = [];
    const activities = activitiesOver({
      detach: () => Promise.resolve(held),
      writeRecord: (_id, change) => {
        changes.push(change);
        return Promise.resolve(held);
      },
    });
    const detached = activities.detachVolume({ volumeId, clusterId, nodeId: 'node-a' });
    await expect(detached).rejects.toThrow(fault('ArrayUnsettled'));
    expect(changes).toEqual([{ expectedComment: held.comment, record: recordOf('node-b'), exportChange: asItIs }]);
  });

  it('from all nodes empties the record', async () => {
    const written: VolumeRecord[] = [];
    const activities = activitiesOver({
      find: () => Promise.resolve(volumeOf({ record: recordOf('node-a') })),
      writeRecord: (_id, { record }) => {
        written.push(record);
        return Promise.resolve(volumeOf({ record }));
      },
    });
    await activities.detachVolume({ volumeId, clusterId });
    expect(written).toEqual([recordOf()]);
  });
});
