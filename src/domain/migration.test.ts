import { describe, expect, it } from '@jest/globals';
import { parseAccessMode } from './capability';
import { findMigration, judgeMigration } from './migration';
import { parseNodeId } from './nqn';
import type { Attachment } from './record';

const at = (node: string, mode = 'multi-node-multi-writer'): Attachment => ({
  nodeId: parseNodeId(node, 'node'),
  accessMode: parseAccessMode(mode, 'mode'),
  readOnly: false,
  content: 'block',
});

describe('findMigration', () => {
  it.each<[string, Attachment[], string[] | undefined]>([
    ['no node', [], undefined],
    ['one writer', [at('a')], undefined],
    ['two writers', [at('a'), at('b')], ['a', 'b']],
    ['two readers', [at('a', 'multi-node-reader-only'), at('b', 'multi-node-reader-only')], undefined],
    ['one node alone', [at('a', 'single-node-writer')], undefined],
  ])('%s', (_fact, attachments, expected) => expect(findMigration(attachments)).toEqual(expected));
});

describe('judgeMigration', () => {
  const nodeIds = ['a', 'b'];
  it.each<[string[] | undefined, boolean, string]>([
    [['a', 'b'], false, 'under-way'],
    [['b', 'a'], false, 'under-way'],
    [['a', 'b'], true, 'overstayed'],
    [undefined, false, 'completed'],
    [undefined, true, 'completed'],
    [['b', 'c'], false, 'completed'],
    [['b', 'c'], true, 'completed'],
  ])('of a and b, with %j now, time up %s: %s', (now, timeIsUp, expected) => {
    expect(judgeMigration({ nodeIds, now, timeIsUp })).toBe(expected);
  });
});
