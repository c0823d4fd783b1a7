import { describe, expect, it } from '@jest/globals';
import type { DeviceContent, Mount } from '../adapters/mount/port';
import type { Device } from '../adapters/nvme/port';
import type { StageNote } from '../adapters/stage-notes/port';
import { Fault } from '../domain/fault';
import { parseNodeId, parseNqnPrefix, subsystemNqnOf } from '../domain/nqn';
import { parseBytes } from '../domain/size';
import { parseVolumeId } from '../domain/volume-id';
import { growVolume } from './grow-volume';
import { createLocalVolumes } from './local-volumes';
import { createNodeActivities } from './node-activities';
import type { NodeParts } from './node-parts';
import { createStaleMounts, type StaleMountEvent } from './stale-watch';
import { createTurns } from './turns';

/** What a kernel and a disk would have to be caught at: here they are told when to change. */
const volumeId = parseVolumeId('pvc-00000000-0000-4000-8000-000000000001');
const nqnPrefix = parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix');
const nqn = subsystemNqnOf(nqnPrefix, volumeId);
const nodeId = parseNodeId('node-a', 'nodeId');
const KUBELET = '/var/lib/kubelet';
const STAGING = `${KUBELET}/x/globalmount`;
const TARGET = `${KUBELET}/pods/p/mount`;
const GIB = parseBytes(2n ** 30n, 'size');

const deviceOf = (minor: number): Device => ({
  nqn,
  path: `/dev/nvme0n${minor}`,
  major: 259,
  minor,
  sizeBytes: GIB,
  state: 'live',
});
const mountOf = (mountPoint: string, minor: number, superOptions: readonly string[] = ['rw']): Mount => ({
  id: minor,
  parentId: 1,
  major: 259,
  minor,
  root: '/',
  mountPoint,
  options: ['rw'],
  superOptions,
  fileSystemType: 'ext4',
  source: `/dev/nvme0n${minor}`,
});

/** A node with one volume, mounted as ext4 or raw. */
function nodeWith({ kind, mounts }: { readonly kind: 'mount' | 'block'; readonly mounts: Mount[] }) {
  const fileSystem = { fileSystem: 'ext4', mountFlags: [], readOnly: false } as const;
  let note: StageNote | undefined = {
    volumeId,
    nodeId,
    nqn,
    stagingTargetPath: STAGING,
    mode: kind === 'mount' ? { kind, ...fileSystem } : { kind, readOnly: false },
    connectedBy: 'run',
    mountedBy: 'run',
    madeBy: 'run',
    devicesAt: [],
    readOnlyAt: [],
  };
  const events: StaleMountEvent['kind'][] = [];
  const node = {
    device: deviceOf(1) as Device | undefined,
    grown: 0,
    nodeAt: new Map<string, Device>(),
    onMknod: () => {},
    find: async (): Promise<Device | undefined> => node.device,
    hasSession: true,
    content: { kind: 'file-system', type: 'ext4' } as DeviceContent,
    onLook: () => {},
    formatting: false,
    formatted: [] as string[],
    onMount: () => {},
    disconnects: 0,
  };
  const parts = {
    nodeId,
    nqnPrefix,
    kubeletDir: KUBELET,
    inTurn: createTurns({ longestWaitMs: 1_000 }),
    demand: { require: () => undefined },
    lostSince: () => undefined,
    staleMounts: createStaleMounts(({ kind: what }) => events.push(what)),
    connector: {
      find: async () => node.find(),
      findNqnOf: async () => undefined,
      sessions: async () => new Map(node.hasSession ? [[nqn, { state: 'live', isOurs: true }]] : []),
      connect: async () => ({ device: node.device, connectedNow: false }),
      rescan: async () => node.device,
      disconnect: async () => {
        node.disconnects += 1;
        node.device = undefined;
      },
    },
    mounts: {
      list: async () => [...mounts],
      hasDevice: async ({ minor }: Mount) => minor === node.device?.minor,
      findErrors: async () => undefined,
      stats: async () => ({ totalBytes: 1n, freeBytes: 1n, availableBytes: 1n, totalInodes: 1n, freeInodes: 1n }),
      unmount: async (place: string) =>
        void mounts.splice(
          mounts.findLastIndex((each) => each.mountPoint === place),
          1,
        ),
      mountDevice: async ({ mountPoint, devicePath }: { mountPoint: string; devicePath: string }) => {
        node.onMount();
        mounts.push(mountOf(mountPoint, Number(devicePath.slice(-1))));
      },
    },
    fileSystems: {
      setReadOnly: async () => undefined,
      inspect: async () => {
        node.onLook();
        return node.content;
      },
      requireUnused: async () => undefined,
      format: async ({ devicePath, requireSame }: Parameters<NodeParts['fileSystems']['format']>[0]) => {
        await requireSame();
        node.formatted.push(devicePath);
      },
      grow: async () => void (node.grown += 1),
    },
    notes: {
      find: async () => note,
      findOf: async () => note,
      listOf: async () => [note].filter((each) => each !== undefined),
      listWithDeviceAt: async () => [note].filter((each) => each !== undefined),
      write: async (written: StageNote) => {
        note = written;
      },
      remove: async () => {
        note = undefined;
      },
      isFormatting: async () => node.formatting,
      setFormatting: async (_volume: string, formatting: boolean) => {
        node.formatting = formatting;
      },
    },
    paths: {
      resolveBelow: async (place: string) => place,
      find: async (place: string) => {
        const made = node.nodeAt.get(place);
        return made ? { kind: 'block-device', major: made.major, minor: made.minor } : undefined;
      },
      ensureDirectory: async () => undefined,
      ensureDeviceNode: async ({ path, minor }: { path: string; minor: number }) => {
        node.nodeAt.set(path, deviceOf(minor));
        node.onMknod();
      },
      remove: async (place: string) => void node.nodeAt.delete(place),
    },
    // What is not here is not to be called.
  } as unknown as NodeParts;
  return { node, parts, events, mounts };
}

const kindOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'OK',
    (error: unknown) => (error instanceof Fault ? error.kind : String(error)),
  );
const publish = (parts: NodeParts, kind: 'mount' | 'block', targetPath = TARGET) =>
  createLocalVolumes(parts).publish({
    volumeId,
    stagingTargetPath: STAGING,
    targetPath,
    kind,
    readOnly: false,
    exclusive: false,
  });

const stepOf = (runId: string) => ({
  volumeId,
  nodeId,
  stagingTargetPath: STAGING,
  runId,
  mode: { kind: 'mount', fileSystem: 'ext4', mountFlags: [], mkfsOptions: [], readOnly: false } as const,
  target: { nqn, address: '10.0.0.1', port: 4420, filePath: '/p/x.img', ctrlLossTmo: 5, reconnectDelay: 1 },
});

describe('a device that goes while it is worked on', () => {
  it.each<[string, Device | undefined]>([
    ['is gone', undefined],
    ['is another one', deviceOf(2)],
  ])(
    'and %s is not formatted: its name may be another volume’s; the mark of a format that broke off stays',
    async (_fact, then) => {
      const { node, parts } = nodeWith({ kind: 'mount', mounts: [] });
      node.content = { kind: 'unknown', found: 'data without a signature' };
      node.formatting = true;
      node.onLook = () => {
        node.device = then;
        node.content = { kind: 'blank' };
      };
      expect(await kindOf(createNodeActivities(parts).prepareFileSystem(stepOf('one')))).toBe('ConnectionLost');
      expect([node.formatted, node.formatting]).toEqual([[], true]);
    },
  );

  it('is not mounted: what was mounted by its name is taken away', async () => {
    const { node, parts, mounts } = nodeWith({ kind: 'mount', mounts: [] });
    node.onMount = () => {
      node.device = deviceOf(2);
    };
    expect(await kindOf(createNodeActivities(parts).mountStaging(stepOf('one')))).toBe('ConnectionLost');
    expect(mounts).toEqual([]);
  });
});

describe('a stage that a publish has begun, and that fails', () => {
  const fail = async (restages: boolean) => {
    const { node, parts } = nodeWith({ kind: 'mount', mounts: [mountOf(STAGING, 1)] });
    node.device = undefined;
    const activities = createNodeActivities(parts);
    const step = { ...stepOf('two'), ...(restages && { restages: true as const }) };
    node.find = async () => undefined;
    await activities.connectVolume(step).catch(() => undefined);
    await activities.undoStage(step);
    return await kindOf(publish(parts, 'mount'));
  };

  it('is begun anew by the next publish', async () => expect(await fail(true)).toBe('StageLost'));
  it('else is the kubelet’s to begin', async () => expect(await fail(false)).toBe('NotStaged'));
});

describe('a device that cannot be used as it is seen from here', () => {
  const unusable = async (): Promise<never> => {
    throw new Fault('DeviceMismatch', 'nvme0n1, nvme0n2: two namespaces');
  };

  it('is not disconnected while raw block of it is published: a pod may have it open', async () => {
    const { node, parts } = nodeWith({ kind: 'block', mounts: [] });
    await publish(parts, 'block');
    node.find = unusable;
    const input = { volumeId, nodeId, stagingTargetPath: STAGING };
    expect(await kindOf(createNodeActivities(parts).unstageVolume(input))).toBe('MountBusy');
    expect(node.disconnects).toBe(0);
  });

  it('is not said to be gone without a doubt', async () => {
    const { node, parts } = nodeWith({ kind: 'block', mounts: [] });
    await publish(parts, 'block');
    node.find = unusable;
    const place = { volumeId, volumePath: TARGET, stagingTargetPath: undefined };
    const condition = async () => (await createLocalVolumes(parts).stats(place)).abnormal;
    expect(await condition()).toMatch(/cannot be used from here: .*two namespaces; if reads and writes fail/);
    node.hasSession = false;
    expect(await condition()).toMatch(/^the device is gone: .* must be started again$/);
  });
});

describe('a stage that nobody wants any more', () => {
  it('is not told as a recovery that failed', async () => {
    const { node, parts, events } = nodeWith({ kind: 'mount', mounts: [mountOf(STAGING, 1)] });
    node.device = deviceOf(2);
    const activities = createNodeActivities(parts);
    await activities.connectVolume(stepOf('two'));
    await activities.undoStage({ ...stepOf('two'), cancelled: true });
    expect(events).toEqual(['detected']);
  });
});

describe('a stale mount that a pod still has after the recovery', () => {
  it('is told once, and later stages have nothing to recover', async () => {
    const old = `${KUBELET}/pods/old/mount`;
    const { node, parts, events } = nodeWith({ kind: 'mount', mounts: [mountOf(STAGING, 1), mountOf(old, 1)] });
    node.device = deviceOf(2);
    const stage = async (runId: string) => {
      const activities = createNodeActivities(parts);
      const step = stepOf(runId);
      const connected = await activities.connectVolume(step);
      await activities.prepareFileSystem(step);
      await activities.mountStaging(step);
      return connected;
    };
    expect(await stage('one')).toEqual({ recovers: true });
    const { abnormal } = await createLocalVolumes(parts).stats({
      volumeId,
      volumePath: old,
      stagingTargetPath: undefined,
    });
    expect(abnormal).toMatch(/another one now/);
    expect([await stage('two'), await stage('three')]).toEqual([{}, {}]);
    expect(events).toEqual(['detected', 'recovered']);
  });
});

describe('a publish', () => {
  it.each<[string, Mount[], string]>([
    ['nothing is mounted, as while it is staged anew', [], 'StageLost'],
    ['the mount is dead', [mountOf(STAGING, 7)], 'StageLost'],
    ['the mount is of another device, which is there', [{ ...mountOf(STAGING, 7), minor: 1, major: 8 }], 'NotStaged'],
  ])('where %s', async (_fact, mounts, kind) => {
    expect(await kindOf(publish(nodeWith({ kind: 'mount', mounts }).parts, 'mount'))).toBe(kind);
  });
});

describe('a file system that the kernel has made read-only', () => {
  it('is not said to be grown', async () => {
    const { node, parts } = nodeWith({ kind: 'mount', mounts: [mountOf(STAGING, 1, ['ro', 'errors=remount-ro'])] });
    expect(await kindOf(growVolume(parts, { volumeId, volumePath: STAGING, leastBytes: GIB }))).toBe('NodeToolFailed');
    expect(node.grown).toBe(0);
  });

  it('is not published for writing', async () => {
    const { parts, mounts } = nodeWith({ kind: 'mount', mounts: [mountOf(STAGING, 1, ['ro'])] });
    await expect(publish(parts, 'mount')).rejects.toThrow(/has become read-only.*fsck/);
    expect(mounts).toHaveLength(1);
  });
});

describe('raw block', () => {
  it('is published as the device that it is', async () => {
    const { node, parts } = nodeWith({ kind: 'block', mounts: [] });
    await publish(parts, 'block');
    expect(node.nodeAt.get(TARGET)).toMatchObject({ minor: 1 });
  });

  it('is published anew where an earlier device was, also after it was published elsewhere', async () => {
    const { node, parts } = nodeWith({ kind: 'block', mounts: [] });
    await publish(parts, 'block');
    node.device = deviceOf(2);
    await publish(parts, 'block', `${TARGET}-2`);
    expect(node.nodeAt.get(TARGET)).toMatchObject({ minor: 1 });
    await publish(parts, 'block');
    expect([...node.nodeAt.values()].map(({ minor }) => minor)).toEqual([2, 2]);
  });

  it.each<[string, Device | undefined]>([
    ['is gone', undefined],
    ['has another number', deviceOf(2)],
  ])(
    'is not published if its device %s when its node is made: that may be another volume’s by then',
    async (_fact, then) => {
      const { node, parts } = nodeWith({ kind: 'block', mounts: [] });
      node.onMknod = () => {
        node.device = then;
      };
      expect(await kindOf(publish(parts, 'block'))).toBe('StageLost');
      expect(node.nodeAt.size).toBe(0);
    },
  );
});
