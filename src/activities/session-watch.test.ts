import { beforeEach, describe, expect, it } from '@jest/globals';
import type { StageNote } from '../adapters/stage-notes/port';
import { parseNodeId, parseSubsystemNqn } from '../domain/nqn';
import { parseVolumeId } from '../domain/volume-id';
import { createSessionWatch, type SessionCounts, type SessionEvent, type SessionWatch } from './session-watch';

const volumeId = parseVolumeId('pvc-00000000-0000-4000-8000-000000000001');
const nqn = parseSubsystemNqn(`nqn.2000-02.com.mikrotik:${volumeId}`, 'nqn');
const note: StageNote = {
  volumeId,
  nodeId: parseNodeId('node-a', 'nodeId'),
  nqn,
  stagingTargetPath: '/var/lib/kubelet/x/globalmount',
  mode: { kind: 'block', readOnly: false },
  connectedBy: 'run',
  mountedBy: undefined,
  devicesAt: [],
  madeBy: undefined,
  readOnlyAt: [],
};

let staged: StageNote[];
let state: string | undefined;
let nowMs: number;
let events: SessionEvent[];
let counts: SessionCounts | undefined;
let watch: SessionWatch;
let busy: boolean;

beforeEach(() => {
  staged = [note];
  state = 'live';
  nowMs = 1_000;
  events = [];
  busy = false;
  watch = createSessionWatch({
    connector: { sessions: async () => new Map(state === undefined ? [] : [[nqn, { state, isOurs: true }]]) },
    notes: { list: async () => staged },
    isBusy: () => busy,
    nowMs: () => nowMs,
    observe: (event) => events.push(event),
    count: (now) => (counts = now),
  });
});

async function lookAt(now: number, is: string | undefined): Promise<void> {
  nowMs = now;
  state = is;
  await watch.look();
}

describe('createSessionWatch', () => {
  it('says nothing of a session that is live, and counts it', async () => {
    await lookAt(1_000, 'live');
    expect([events, counts, watch.lostSince(nqn)]).toEqual([[], { live: 1, lost: 0 }, undefined]);
  });

  it.each(['connecting', 'resetting', undefined])(
    'tells once that it is lost (%s), since when, and how long it was',
    async (how) => {
      await lookAt(1_000, 'live');
      await lookAt(2_000, how);
      await lookAt(3_000, 'connecting');
      expect([counts, watch.lostSince(nqn)]).toEqual([{ live: 0, lost: 1 }, 2_000]);
      await lookAt(9_000, 'live');
      expect(events).toEqual([
        { kind: 'lost', volumeId, state: how ?? 'gone' },
        { kind: 'back', volumeId, outageMs: 7_000 },
      ]);
      expect([counts, watch.lostSince(nqn)]).toEqual([{ live: 1, lost: 0 }, undefined]);
    },
  );

  it('takes one that is still to be made for no loss', async () => {
    await lookAt(1_000, undefined);
    expect([events, counts]).toEqual([[], { live: 0, lost: 0 }]);
  });

  it('takes one for lost that it finds so when it starts', async () => {
    await lookAt(5_000, 'connecting');
    expect(watch.lostSince(nqn)).toBe(5_000);
  });

  it.each(['deleting', 'deleting (no IO)', 'dead', undefined])(
    'takes one that is being unstaged for no loss (%s), and one that goes by itself for one',
    async (how) => {
      await lookAt(1_000, 'live');
      busy = true;
      await lookAt(2_000, how);
      expect([events, watch.lostSince(nqn)]).toEqual([[], undefined]);
      busy = false;
      await lookAt(3_000, how);
      expect(events).toEqual([{ kind: 'lost', volumeId, state: how ?? 'gone' }]);
    },
  );

  it('tells of a loss also while something is done with the volume', async () => {
    await lookAt(1_000, 'live');
    busy = true;
    await lookAt(2_000, 'connecting');
    expect(watch.lostSince(nqn)).toBe(2_000);
  });

  it('takes a first connection that does not succeed for no loss', async () => {
    for (const is of [undefined, 'new', 'connecting', undefined]) await lookAt(1_000, is);
    expect([events, counts]).toEqual([[], { live: 0, lost: 0 }]);
  });

  it('forgets one that was unstaged, and finds it anew', async () => {
    await lookAt(1_000, 'live');
    staged = [];
    await lookAt(2_000, undefined);
    staged = [note];
    await lookAt(3_000, undefined);
    expect([events, watch.lostSince(nqn)]).toEqual([[], undefined]);
  });
});
