import { describe, expect, it } from '@jest/globals';
import { type ExportWish, exportWishAfterLeaving, exportWishOf, type Fencing, isExportedAs } from './export';
import { hostNqnOf } from './host-nqn';
import { parseNodeId } from './nqn';
import type { Attachment } from './record';
import type { Volume } from './volume';

const at = (node: string): Attachment => ({
  nodeId: parseNodeId(node, 'node'),
  accessMode: 'multi-node-multi-writer',
  readOnly: false,
  content: 'block',
});
const nqnOf = (node: string) => hostNqnOf(parseNodeId(node, 'node'));

describe('exportWishOf', () => {
  it.each<[Fencing, string[], ExportWish]>([
    ['off', [], { kind: 'as-it-is' }],
    ['off', ['a'], { kind: 'any-host' }],
    ['off', ['a', 'b'], { kind: 'any-host' }],
    ['allow-host', [], { kind: 'off' }],
    ['allow-host', ['a'], { kind: 'one-host', hostNqn: nqnOf('a') }],
    ['allow-host', ['a', 'b'], { kind: 'any-host' }],
  ])('with fencing %s, for nodes %j', (fencing, nodes, wish) => {
    expect(exportWishOf(fencing, nodes.map(at))).toEqual(wish);
  });
});

describe('exportWishAfterLeaving', () => {
  it.each<[Fencing, string[], ExportWish]>([
    ['off', [], { kind: 'as-it-is' }],
    ['off', ['a'], { kind: 'as-it-is' }],
    ['allow-host', [], { kind: 'off' }],
    ['allow-host', ['a'], { kind: 'one-host', hostNqn: nqnOf('a') }],
    ['allow-host', ['a', 'b'], { kind: 'any-host' }],
  ])('with fencing %s, for nodes %j', (fencing, nodes, wish) => {
    expect(exportWishAfterLeaving(fencing, nodes.map(at))).toEqual(wish);
  });
});

describe('isExportedAs', () => {
  const one: ExportWish = { kind: 'one-host', hostNqn: nqnOf('a') };
  it.each<[ExportWish, boolean, string, boolean]>([
    [{ kind: 'as-it-is' }, false, nqnOf('b'), true],
    [{ kind: 'on' }, true, nqnOf('a'), true],
    [{ kind: 'on' }, false, '', false],
    [{ kind: 'any-host' }, true, '', true],
    [{ kind: 'any-host' }, true, nqnOf('a'), false],
    [{ kind: 'any-host' }, false, '', false],
    [one, true, nqnOf('a'), true],
    [one, true, '', false],
    [one, true, nqnOf('b'), false],
    [one, false, nqnOf('a'), false],
    [{ kind: 'off' }, false, '', true],
    [{ kind: 'off' }, false, nqnOf('a'), true],
    [{ kind: 'off' }, true, '', false],
  ])('%j: exported %s, host %j: %s', (wish, exported, allowedHost, expected) => {
    expect(isExportedAs({ exported, allowedHost } as Volume, wish)).toBe(expected);
  });
});
