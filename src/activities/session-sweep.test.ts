import { beforeEach, describe, expect, it } from '@jest/globals';
import type { DeviceUse, Mount } from '../adapters/mount/port';
import type { Device, Session } from '../adapters/nvme/port';
import type { StageNote } from '../adapters/stage-notes/port';
import { Fault } from '../domain/fault';
import { parseNodeId, parseNqnPrefix, type SubsystemNqn, subsystemNqnOf } from '../domain/nqn';
import { parseBytes } from '../domain/size';
import { parseVolumeId, type VolumeId } from '../domain/volume-id';
import { type SweepParts, type Swept, sweepSessions } from './session-sweep';
import { createTurns } from './turns';

const nqnPrefix = parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix');
const [one, two] = [1, 2].map((number) => parseVolumeId(`pvc-00000000-0000-4000-8000-00000000000${number}`)) as [
  VolumeId,
  VolumeId,
];
const nqnOf = (volumeId: VolumeId): SubsystemNqn => subsystemNqnOf(nqnPrefix, volumeId);
const deviceOf = (volumeId: VolumeId, minor = Number(volumeId.at(-1))): Device => ({
  nqn: nqnOf(volumeId),
  path: `/dev/nvme${volumeId.at(-1)}n1`,
  major: 259,
  minor,
  sizeBytes: parseBytes(2n ** 26n, 'size'),
  state: 'live',
});
const noteOf = (volumeId: VolumeId): StageNote => ({
  volumeId,
  nodeId: parseNodeId('node-a', 'nodeId'),
  nqn: nqnOf(volumeId),
  stagingTargetPath: '/var/lib/kubelet/x/globalmount',
  mode: { kind: 'block', readOnly: false },
  connectedBy: 'run',
  mountedBy: undefined,
  madeBy: 'run',
  devicesAt: [],
  readOnlyAt: [],
});
const UNUSED: DeviceUse = { users: [], unknown: [] };
const ours: Session = { state: 'live', isOurs: true };

/** A node with two volumes that are connected, of which nobody knows. */
class FakeNode {
  readonly sessions = new Map<string, Session>([one, two].map((volumeId) => [nqnOf(volumeId), ours]));
  readonly devices = new Map<string, Device | Fault>([one, two].map((id) => [nqnOf(id), deviceOf(id)]));
  readonly notes = new Map<string, StageNote | Fault>();
  /** What others' notes and the kubelet say. */
  readonly traces = new Map<string, string | Fault>();
  readonly uses = new Map<string, DeviceUse>();
  readonly busy = new Map<string, Fault>();
  mounts: Mount[] = [];
  readonly disconnected: string[] = [];
  looks: number[][] = [];
  ms = 0;
  readonly aborts = new AbortController();
  readonly turns = createTurns({ longestWaitMs: 1_000 });
  /** Something that happens while it is looked whether somebody has the device open alone: the last look. */
  atLastLook: () => void = () => undefined;

  readonly parts: SweepParts = {
    nqnPrefix,
    nowMs: () => this.ms,
    inTurn: (volumeId, act) => this.turns(volumeId, act),
    mounts: { list: async () => this.mounts },
    notes: { findOf: async (volumeId) => valueOf(this.notes.get(volumeId)) },
    traces: {
      find: async (volumeId) => {
        const trace = valueOf(this.traces.get(volumeId));
        return trace === undefined ? [] : [trace];
      },
    },
    connector: {
      sessions: async () => new Map(this.sessions),
      find: async (nqn) => valueOf(this.devices.get(nqn)),
      disconnect: async (nqn) => {
        this.disconnected.push(nqn);
      },
    },
    fileSystems: {
      requireUnused: async (path) => {
        this.atLastLook();
        valueOf(this.busy.get(path));
      },
    },
    deviceUsers: {
      find: async (devices) => {
        this.looks.push(devices.map(({ minor }) => minor));
        return devices.map(({ minor }) => this.uses.get(`${minor}`) ?? UNUSED);
      },
    },
  };

  async sweep(): Promise<Swept[]> {
    const swept: Swept[] = [];
    await sweepSessions(this.parts, { signal: this.aborts.signal, observe: (each) => swept.push(each) });
    return swept;
  }
}

function valueOf<T>(value: T | Fault | undefined): T | undefined {
  if (value instanceof Fault) throw value;
  return value;
}

let node: FakeNode;
beforeEach(() => {
  node = new FakeNode();
});

describe('sweepSessions', () => {
  it.each(['live', 'connecting'])(
    'ends %s sessions that no stage knows of and nobody uses, after one look',
    async (state) => {
      for (const name of node.sessions.keys()) node.sessions.set(name, { state, isOurs: true });
      expect(await node.sweep()).toEqual(
        [one, two].map((volumeId) => ({ volumeId, nqn: nqnOf(volumeId), result: 'swept' })),
      );
      expect(node.disconnected).toEqual([nqnOf(one), nqnOf(two)]);
      expect(node.looks).toEqual([[1, 2]]);
    },
  );

  it('says nothing of one that is staged, and does not look for its users', async () => {
    node.notes.set(one, noteOf(one));
    expect(await node.sweep()).toMatchObject([{ volumeId: two, result: 'swept' }]);
    expect([node.disconnected, node.looks]).toEqual([[nqnOf(two)], [[2]]]);
  });

  it('says nothing of one that another process of this node stages while it is looked at', async () => {
    node.atLastLook = () => node.notes.set(one, noteOf(one));
    expect(await node.sweep()).toMatchObject([{ volumeId: two, result: 'swept' }]);
    expect(node.disconnected).toEqual([nqnOf(two)]);
  });

  it('touches nothing that is not ours', async () => {
    node.sessions.clear();
    node.sessions.set(nqnOf(one), { state: 'live', isOurs: false });
    node.sessions.set(`nqn.2001-03.org.example:${two}`, ours);
    expect(await node.sweep()).toEqual([]);
    expect([node.disconnected, node.looks]).toEqual([[], []]);
  });

  it.each<[string, 'in_use' | 'unproven', RegExp, () => void]>([
    [
      'somebody has it',
      'in_use',
      /qemu\[7\] has it open/,
      () => node.uses.set('1', { users: ['qemu[7] has it open'], unknown: [] }),
    ],
    [
      'nobody can tell',
      'unproven',
      /needs hostPID/,
      () => node.uses.set('1', { users: [], unknown: ['needs hostPID'] }),
    ],
    [
      'it is held alone',
      'in_use',
      /mounted elsewhere/,
      () => node.busy.set('/dev/nvme1n1', new Fault('MountBusy', 'mounted elsewhere')),
    ],
    [
      'it does not answer',
      'unproven',
      /did not end/,
      () => node.busy.set('/dev/nvme1n1', new Fault('NodeTimeout', 'did not end')),
    ],
    [
      'it has no device that can be used',
      'unproven',
      /no namespace/,
      () => node.devices.set(nqnOf(one), new Fault('DeviceMismatch', 'no namespace')),
    ],
    [
      'another driver has it staged',
      'in_use',
      /staged at x, says y/,
      () => node.traces.set(one, 'staged at x, says y'),
    ],
    [
      'another driver has staged it at last',
      'in_use',
      /staged at x, says y/,
      () => {
        node.atLastLook = () => node.traces.set(one, 'staged at x, says y');
      },
    ],
    [
      'it is not known at last who has staged it',
      'unproven',
      /EIO/,
      () => {
        node.atLastLook = () => node.traces.set(one, new Fault('NodeToolFailed', 'EIO'));
      },
    ],
    ['its note cannot be read', 'unproven', /EIO/, () => node.notes.set(one, new Fault('NodeToolFailed', 'EIO'))],
    [
      'it is another device at last',
      'unproven',
      /not the session any more/,
      () => {
        node.atLastLook = () => node.devices.set(nqnOf(one), deviceOf(one, 77));
      },
    ],
    [
      'another host has joined at last',
      'unproven',
      /not the session any more/,
      () => {
        node.atLastLook = () => node.sessions.set(nqnOf(one), { state: 'live', isOurs: false });
      },
    ],
  ])('keeps one where %s, says why, and goes on', async (_what, result, why, prepare) => {
    prepare();
    const [first, second] = await node.sweep();
    expect(first).toEqual({ volumeId: one, nqn: nqnOf(one), result, why: expect.stringMatching(why) });
    expect(second).toMatchObject({ volumeId: two, result: 'swept' });
    expect(node.disconnected).toEqual([nqnOf(two)]);
  });

  it('keeps all where the look for users fails', async () => {
    node.parts.deviceUsers.find = async () => {
      throw new Fault('NodeTimeout', 'device-scan did not end within 10 s');
    };
    expect(await node.sweep()).toMatchObject([one, two].map((volumeId) => ({ volumeId, result: 'unproven' })));
    expect(node.disconnected).toEqual([]);
  });

  it('looks again when the look before is too long ago', async () => {
    node.atLastLook = () => (node.ms += 6_000);
    await node.sweep();
    expect(node.looks).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it('looks for the note when a stage that has begun meanwhile is over', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const staging = node.turns(one, async () => {
      await promise;
      node.notes.set(one, noteOf(one));
    });
    const sweeping = node.sweep();
    resolve();
    await staging;
    expect(await sweeping).toMatchObject([{ volumeId: two, result: 'swept' }]);
    expect(node.disconnected).toEqual([nqnOf(two)]);
  });

  it('ends nothing more when the time is over, not even what it has just proven unused', async () => {
    node.atLastLook = () => node.aborts.abort();
    expect(await node.sweep()).toEqual(
      [one, two].map((volumeId) => ({
        volumeId,
        nqn: nqnOf(volumeId),
        result: 'unproven',
        why: 'the time for it at the start was over',
      })),
    );
    expect(node.disconnected).toEqual([]);
  });

  it('lets a bug through', async () => {
    node.parts.mounts.list = async () => {
      throw new TypeError('a bug');
    };
    await expect(node.sweep()).rejects.toThrow('a bug');
  });
});
