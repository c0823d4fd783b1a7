import { describe, expect, it } from '@jest/globals';
import { changesOf, type NodeSnapshot, type SeenNode, SeenNodes } from './node-changes';

const node = (state: Partial<SeenNode> = {}): SeenNode => ({
  nodeId: 'a',
  uid: '1',
  ready: true,
  outOfService: false,
  wasReady: true,
  ...state,
});
const down = node({ ready: false });

describe('changesOf', () => {
  it.each<[string, SeenNode | undefined, NodeSnapshot | undefined, readonly string[]]>([
    ['nothing', undefined, undefined, []],
    ['a new one', undefined, node(), []],
    ['a new one that is not ready yet', undefined, down, []],
    ['the same', node(), node(), []],
    ['one that stays down', down, down, []],
    ['Ready → NotReady', node(), down, ['not-ready']],
    ['NotReady → Ready', down, node(), ['ready-again']],
    ['ready for the first time', node({ ready: false, wasReady: false }), node(), []],
    ['deleted', node(), undefined, ['deleted']],
    ['deleted while it was down', down, undefined, ['deleted']],
    ['deleted and made anew', node(), node({ uid: '2' }), ['deleted']],
    ['deleted and made anew, not ready', node(), node({ uid: '2', ready: false }), ['deleted']],
    ['vouched for as off', node(), node({ outOfService: true }), ['out-of-service']],
    ['vouched for as off while down', down, node({ ready: false, outOfService: true }), ['out-of-service']],
    [
      'down and vouched for at once',
      node(),
      node({ ready: false, outOfService: true }),
      ['not-ready', 'out-of-service'],
    ],
    ['vouched for still', node({ outOfService: true }), node({ outOfService: true }), []],
    ['no more vouched for', node({ outOfService: true }), node(), []],
  ])('%s', (_fact, before, after, expected) => {
    expect(changesOf(before, after)).toEqual(expected.map((what) => ({ nodeId: 'a', what })));
  });
});

describe('SeenNodes', () => {
  it('makes nothing of the first list, whatever is in it', () => {
    const seen = new SeenNodes();
    expect(seen.known).toBe(false);
    expect(seen.seeAll([node(), node({ nodeId: 'b', ready: false })])).toEqual([]);
    expect(seen.known).toBe(true);
  });

  it('tells each change once, however often it is seen', () => {
    const seen = new SeenNodes();
    seen.seeAll([node(), node({ nodeId: 'b' })]);
    expect(seen.see(down)).toEqual([{ nodeId: 'a', what: 'not-ready' }]);
    expect(seen.see(down)).toEqual([]);
    expect(seen.miss('a')).toEqual([{ nodeId: 'a', what: 'deleted' }]);
    expect(seen.miss('a')).toEqual([]);
    expect(seen.seeAll([node({ nodeId: 'b' })])).toEqual([]);
  });

  it('tells of no node that is ready for the first time, and of one that is again', () => {
    const seen = new SeenNodes();
    seen.seeAll([down]);
    seen.see(node({ nodeId: 'new', ready: false }));
    seen.see(node({ nodeId: 'new', ready: false, outOfService: true }));
    expect(seen.see(node({ nodeId: 'new' }))).toEqual([]);
    expect(seen.see(node({ nodeId: 'new', ready: false }))).toEqual([{ nodeId: 'new', what: 'not-ready' }]);
    expect(seen.see(node({ nodeId: 'new' }))).toEqual([{ nodeId: 'new', what: 'ready-again' }]);
    // It was not ready when the process began, and nobody knows since when.
    expect(seen.see(node())).toEqual([{ nodeId: 'a', what: 'ready-again' }]);
  });

  it('finds in a list what happened while nobody looked', () => {
    const seen = new SeenNodes();
    seen.seeAll([node(), node({ nodeId: 'b' }), node({ nodeId: 'c' })]);
    expect(seen.seeAll([down, node({ nodeId: 'c', uid: '2' }), node({ nodeId: 'd' })])).toEqual([
      { nodeId: 'a', what: 'not-ready' },
      { nodeId: 'b', what: 'deleted' },
      { nodeId: 'c', what: 'deleted' },
    ]);
  });
});
