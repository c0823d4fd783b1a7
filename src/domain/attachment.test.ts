import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { judgeAttach, judgeClear, judgeDetach } from './attachment';
import { isSingleNode, parseAccessMode } from './capability';
import { Fault } from './fault';
import { parseNodeId } from './nqn';
import {
  type Attachment,
  formatRecord,
  parseClusterId,
  parseRecord,
  parseVolumeContent,
  type VolumeRecord,
} from './record';
import { parseVolumeId } from './volume-id';

const volumeId = parseVolumeId('pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301');
const clusterId = parseClusterId('ours', 'cluster');

/** `a:single-node-writer:rw`: ext4, unless there is a fourth part. */
function at(text: string): Attachment {
  const [node = '', mode = '', access, content = 'ext4'] = text.split(':');
  return {
    nodeId: parseNodeId(node, 'node'),
    accessMode: parseAccessMode(mode, 'mode'),
    readOnly: access === 'ro',
    content: parseVolumeContent(content, 'content'),
  };
}
const recordOf = (...attachments: string[]): VolumeRecord => ({
  clusterId,
  claim: { namespace: 'default', name: 'data' },
  attachments: attachments.map(at),
});
const attach = (record: VolumeRecord | undefined, wish: string) =>
  judgeAttach({ volumeId, record, wish: at(wish), clusterId });

describe('judgeAttach', () => {
  it.each([
    ['the first node', [], 'a:single-node-writer:rw'],
    ['a second reading node', ['a:multi-node-reader-only:ro'], 'b:multi-node-reader-only:ro'],
    [
      'a fourth reading node',
      ['a:multi-node-reader-only:ro', 'b:multi-node-reader-only:ro', 'c:multi-node-reader-only:ro'],
      'd:multi-node-reader-only:ro',
    ],
    ['the target of a live migration', ['a:multi-node-multi-writer:rw'], 'b:multi-node-multi-writer:rw'],
  ])('lets in %s', (_fact, held, wish) => {
    expect(attach(recordOf(...held), wish)).toEqual({ kind: 'write', record: recordOf(...held, wish) });
  });

  it.each([
    ['alone', ['a:single-node-writer:rw'], 'a:single-node-writer:rw'],
    ['read-only', ['a:single-node-writer:ro'], 'a:single-node-writer:ro'],
    [
      'beside another',
      ['a:multi-node-multi-writer:rw', 'b:multi-node-multi-writer:rw'],
      'b:multi-node-multi-writer:rw',
    ],
  ])('has nothing left to do for a repeat: %s', (_fact, held, wish) =>
    expect(attach(recordOf(...held), wish)).toEqual({ kind: 'attached' }),
  );

  it('writes a record for a volume that has none', () => {
    expect(attach(undefined, 'a:single-node-writer:rw')).toEqual({
      kind: 'write',
      record: { clusterId, claim: undefined, attachments: [at('a:single-node-writer:rw')] },
    });
  });

  it.each([
    [
      'another mode here',
      ['a:single-node-writer:rw'],
      'a:single-node-single-writer:rw',
      'AttachedDifferently',
      'is attached to a (single-node-writer, ext4), asked for a (single-node-single-writer, ext4)',
    ],
    [
      'read-only here',
      ['a:single-node-writer:rw'],
      'a:single-node-writer:ro',
      'AttachedDifferently',
      'is attached to a (single-node-writer, ext4), asked for a (single-node-writer, read-only, ext4)',
    ],
    [
      'another file system here',
      ['a:single-node-writer:rw'],
      'a:single-node-writer:rw:xfs',
      'AttachedDifferently',
      'is attached to a (single-node-writer, ext4), asked for a (single-node-writer, xfs)',
    ],
    [
      'raw block here, where it is mounted',
      ['a:single-node-writer:rw'],
      'a:single-node-writer:rw:block',
      'AttachedDifferently',
      'is attached to a (single-node-writer, ext4), asked for a (single-node-writer, block)',
    ],
    [
      'another content beside readers',
      ['a:multi-node-reader-only:ro'],
      'b:multi-node-reader-only:ro:block',
      'VolumeInUse',
      'is attached to a (multi-node-reader-only, read-only, ext4): not also to b (multi-node-reader-only, read-only, block)',
    ],
    [
      'a second node of a single-node volume',
      ['a:single-node-writer:rw'],
      'b:single-node-writer:rw',
      'VolumeInUse',
      'is attached to a (single-node-writer, ext4): not also to b (single-node-writer, ext4)',
    ],
    [
      'a second node that would only read',
      ['a:single-node-reader-only:ro'],
      'b:single-node-reader-only:ro',
      'VolumeInUse',
      'is attached to a (single-node-reader-only, read-only, ext4): not also to b (single-node-reader-only, read-only, ext4)',
    ],
    [
      'a multi-node wish beside a single-node holder',
      ['a:single-node-writer:rw'],
      'b:multi-node-multi-writer:rw',
      'VolumeInUse',
      'is attached to a (single-node-writer, ext4): not also to b (multi-node-multi-writer, ext4)',
    ],
    [
      'a reader beside writers',
      ['a:multi-node-multi-writer:rw'],
      'b:multi-node-reader-only:ro',
      'VolumeInUse',
      'is attached to a (multi-node-multi-writer, ext4): not also to b (multi-node-reader-only, read-only, ext4)',
    ],
    [
      'a third writing node',
      ['a:multi-node-multi-writer:rw', 'b:multi-node-multi-writer:rw'],
      'c:multi-node-multi-writer:rw',
      'VolumeInUse',
      'is attached to a (multi-node-multi-writer, ext4), b (multi-node-multi-writer, ext4): not also to c (multi-node-multi-writer, ext4)',
    ],
  ])('refuses %s', (_fact, held, wish, kind, message) => {
    expect(() => attach(recordOf(...held), wish)).toThrow(new Fault('VolumeInUse', `${volumeId} ${message}`));
    expect(() => attach(recordOf(...held), wish)).toThrow(expect.objectContaining({ kind }));
  });

  it('leaves a volume that another cluster holds alone, even for a node of the same name', () => {
    const theirs = { ...recordOf('a:single-node-writer:rw'), clusterId: parseClusterId('theirs', 'cluster') };
    expect(() => attach(theirs, 'a:single-node-writer:rw')).toThrow(
      expect.objectContaining({ kind: 'NotOurs', message: expect.stringContaining('belongs to cluster theirs') }),
    );
  });

  it('takes over a volume that another cluster made and holds no more', () => {
    const theirs = { ...recordOf(), clusterId: parseClusterId('theirs', 'cluster') };
    expect(attach(theirs, 'a:single-node-writer:rw')).toEqual({
      kind: 'write',
      record: { ...theirs, clusterId, attachments: recordOf('a:single-node-writer:rw').attachments },
    });
  });
});

describe('judgeDetach', () => {
  const detach = (record: VolumeRecord | undefined, node: string | undefined) =>
    judgeDetach({ record, nodeId: node === undefined ? undefined : parseNodeId(node, 'node'), clusterId });
  const both = recordOf('a:multi-node-multi-writer:rw', 'b:multi-node-multi-writer:rw');

  it.each([
    ['one of two', both, 'a', recordOf('b:multi-node-multi-writer:rw')],
    ['the last one', recordOf('a:single-node-writer:rw'), 'a', recordOf()],
    ['all', both, undefined, recordOf()],
  ])('takes %s away', (_fact, record, node, left) =>
    expect(detach(record, node)).toEqual({ kind: 'write', record: left }),
  );

  it.each([
    ['a node that does not hold it', both, 'c'],
    ['nobody holds it', recordOf(), 'a'],
    ['all of none', recordOf(), undefined],
    ['no record', undefined, 'a'],
    ["another cluster's node of the same name", { ...both, clusterId: parseClusterId('theirs', 'cluster') }, 'a'],
    ["another cluster's nodes, all", { ...both, clusterId: parseClusterId('theirs', 'cluster') }, undefined],
  ])('has nothing left to do: %s', (_fact, record, node) => expect(detach(record, node)).toEqual({ kind: 'detached' }));
});

describe('judgeClear', () => {
  const held = recordOf('a:multi-node-multi-writer:rw', 'b:multi-node-multi-writer:rw');
  const theirs = { ...held, clusterId: parseClusterId('theirs', 'cluster') };
  const clear = (record: VolumeRecord | undefined, nodes: string[], judged = record) =>
    judgeClear({
      volumeId,
      record,
      comment: record ? formatRecord(record) : '',
      nodeIds: nodes.map((node) => parseNodeId(node, 'node')),
      clusterId,
      judgedComment: judged ? formatRecord(judged) : '',
    });

  it.each<[string, string[], VolumeRecord]>([
    ['one of two', ['a'], recordOf('b:multi-node-multi-writer:rw')],
    ['both', ['a', 'b'], recordOf()],
    ['one that is there and one that is not', ['b', 'c'], recordOf('a:multi-node-multi-writer:rw')],
  ])('takes %s away', (_fact, nodes, record) => {
    expect(clear(held, nodes)).toEqual({ kind: 'write', record });
  });

  it.each<[string, VolumeRecord | undefined, VolumeRecord | undefined]>([
    ['no record', undefined, undefined],
    ["another cluster's nodes of these names", theirs, theirs],
    ['others hold it, whatever was judged', recordOf('b:multi-node-multi-writer:rw'), held],
    ['nobody holds it any more', recordOf(), held],
  ])('has nothing left to do: %s', (_fact, record, judged) => {
    expect(clear(record, ['a'], judged)).toEqual({ kind: 'cleared' });
  });

  it('clears nothing on the ground of a record that was changed meanwhile', () => {
    const before = recordOf('a:single-node-writer:rw');
    expect(() => clear(recordOf('a:single-node-writer:ro'), ['a'], before)).toThrow(
      expect.objectContaining({ kind: 'OperationConflict', message: expect.stringContaining('a (single-node-writer') }),
    );
  });
});

it('keeps every record legal and readable, whatever is attached and detached in whatever order', () => {
  const mode = fc.constantFrom(
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-multi-writer',
  );
  const step = fc.record({
    detach: fc.boolean(),
    node: fc.constantFrom('a', 'b', 'c', 'd'),
    mode,
    readOnly: fc.boolean(),
    content: fc.constantFrom('ext4', 'block'),
  });
  const play = (
    record: VolumeRecord,
    { detach, node, mode, readOnly, content }: typeof step extends fc.Arbitrary<infer S> ? S : never,
  ) => {
    try {
      const verdict = detach
        ? judgeDetach({ record, nodeId: parseNodeId(node, 'node'), clusterId })
        : attach(record, `${node}:${mode}:${readOnly ? 'ro' : 'rw'}:${content}`);
      return verdict.kind === 'write' ? verdict.record : record;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      expect(['VolumeInUse', 'AttachedDifferently']).toContain(error.kind);
      return record;
    }
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let record = recordOf();
      for (const each of steps) {
        record = play(record, each);
        const { attachments } = record;
        expect(parseRecord(formatRecord(record))).toEqual(record);
        expect(attachments.length <= 1 || attachments.every(({ accessMode }) => !isSingleNode(accessMode))).toBe(true);
        expect(new Set(attachments.map(({ content }) => content)).size).toBeLessThanOrEqual(1);
        const writing = attachments.filter(({ accessMode }) => accessMode === 'multi-node-multi-writer');
        expect(writing.length).toBeLessThanOrEqual(2);
      }
    }),
    { numRuns: 300 },
  );
});
