import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseAccessMode } from './capability';
import { Fault } from './fault';
import { parseNodeId } from './nqn';
import { formatRecord, mayShare, parseClusterId, parseRecord, parseVolumeContent, type VolumeRecord } from './record';
import { quote } from './routeros/quote';

const MODES = [
  'single-node-writer',
  'single-node-single-writer',
  'single-node-multi-writer',
  'single-node-reader-only',
  'multi-node-reader-only',
  'multi-node-multi-writer',
];

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const attachment = fc.record({
  nodeId: name.map((text) => parseNodeId(text, 'node_id')),
  accessMode: fc.constantFrom(...MODES).map((text) => parseAccessMode(text, 'accessMode')),
  readOnly: fc.boolean(),
  content: fc.constantFrom('ext4', 'xfs', 'ext3', 'btrfs', 'block').map((text) => parseVolumeContent(text, 'content')),
});
const record: fc.Arbitrary<VolumeRecord> = fc.record({
  clusterId: fc.stringMatching(/^[A-Za-z0-9._-]{1,63}$/).map((text) => parseClusterId(text, 'cluster')),
  claim: fc.option(fc.record({ namespace: label, name }), { nil: undefined }),
  attachments: fc.array(attachment, { maxLength: 4 }).filter(mayShare),
});

describe('the record', () => {
  it('reads back as it was written', () => {
    fc.assert(fc.property(record, (written) => expect(parseRecord(formatRecord(written))).toEqual(written)));
  });

  it('needs no escape in a RouterOS script', () => {
    fc.assert(
      fc.property(record, (written) => expect(quote(formatRecord(written))).toBe(`"${formatRecord(written)}"`)),
    );
  });

  it('tells a record, none, or ArrayUnreadable from any text, and throws nothing else', () => {
    const piece = fc.constantFrom(
      'rds-csi/',
      '1',
      '2',
      ' ',
      'cluster=',
      'claim=',
      'nodes=',
      '-',
      ',',
      ':',
      '/',
      'a',
      'rw',
      'ext4',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
      fc.tuple(record, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 })).map(([written, at, edit]) => {
        const whole = formatRecord(written);
        const cut = at % (whole.length + 1);
        return `${whole.slice(0, cut)}${edit}${whole.slice(cut + 1)}`;
      }),
    );
    fc.assert(
      fc.property(text, (comment) => {
        try {
          const found = parseRecord(comment);
          if (found) expect(formatRecord(found)).toBe(comment);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          expect(error.kind).toBe('ArrayUnreadable');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('says in its message what stands there and why it cannot be read', () => {
    expect(() => parseRecord('rds-csi/1 cluster=c claim=- nodes=a:x:rw:ext4')).toThrow(
      'the comment "rds-csi/1 cluster=c claim=- nodes=a:x:rw:ext4" is no record that can be read: nodes: "x" is none of ',
    );
    expect(() => parseRecord('rds-csi/2 cluster=c')).toThrow('does not begin with "rds-csi/1 "');
    expect(() => parseRecord(`rds-csi/1 ${'x'.repeat(5000)}`)).toThrow('… (5010 characters)');
  });

  it('is not written with a claim that is none', () => {
    const written = { clusterId: parseClusterId('c', 'cluster'), attachments: [] };
    expect(() => formatRecord({ ...written, claim: { namespace: 'a', name: 'x nodes=y' } })).toThrow(
      new Fault('InvalidArgument', 'claim/name: "x nodes=y" is no Kubernetes name (DNS-1123)'),
    );
  });

  it('reads what a request may put into a claim quickly, however long', () => {
    expect(() => parseRecord(`rds-csi/1 cluster=${'a'.repeat(100_000)} claim=- nodes=`)).toThrow('cluster: ');
    expect(() =>
      parseRecord(`rds-csi/1 cluster=c claim=- nodes=${'a-'.repeat(50_000)}:single-node-writer:rw:ext4`),
    ).toThrow('nodes: ');
  });
});
