import { describe, expect, it } from '@jest/globals';
import { parseAccessMode } from '../domain/capability';
import type { Fencing } from '../domain/export';
import { parseNodeId, parseNqnPrefix } from '../domain/nqn';
import { parseClusterId } from '../domain/record';
import { MAX_VOLUME_BYTES, parseBytes } from '../domain/size';
import type { Volume } from '../domain/volume';
import { parseVolumeId } from '../domain/volume-id';
import { parseVolumePath } from '../domain/volume-path';
import { createControllerReads } from './controller-reads';
import {
  type DeepPartial,
  GetCapacityRequest,
  ListVolumesRequest,
  ValidateVolumeCapabilitiesRequest,
} from './generated/csi';

const defaults = {
  volumePaths: [parseVolumePath('/storage-pool/metal-csi', 'volumePaths')],
  nvmeAddress: '10.0.1.1',
  nvmePort: 4420,
  nqnPrefix: parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix'),
};
const idOf = (digit: string) => parseVolumeId(`pvc-${digit.repeat(8)}-0000-4000-8000-000000000000`);
const volumeOf = (digit: string, partial: Partial<Volume> = {}): Volume => ({
  volumeId: idOf(digit),
  sizeBytes: parseBytes(2n ** 53n + 1n, 'size'),
  filePath: `/storage-pool/metal-csi/${idOf(digit)}.img`,
  nqn: `nqn.2000-02.com.mikrotik:${idOf(digit)}`,
  nvmePort: 4420,
  exported: true,
  allowedHost: '',
  fileExists: undefined,
  comment: '',
  record: undefined,
  recordProblem: undefined,
  ...partial,
});
const clusterId = parseClusterId('c1', 'clusterId');
const readsOver = (volumes: readonly Volume[], freeBytes = 10n ** 12n, fencing: Fencing = 'off') =>
  createControllerReads({
    clusterId,
    fencing,
    defaults,
    volumes: {
      find: (volumeId) => Promise.resolve(volumes.find((volume) => volume.volumeId === volumeId)),
      list: () => Promise.resolve(volumes),
      pool: () =>
        Promise.resolve({
          name: 'storage-pool',
          sizeBytes: parseBytes(2n * freeBytes, 'size'),
          freeBytes: parseBytes(freeBytes, 'free'),
        }),
    },
  });

const attachment = {
  nodeId: parseNodeId('node-a', 'node'),
  accessMode: parseAccessMode('single-node-writer', 'mode'),
  readOnly: false,
  content: 'ext4',
} as const;
const record = { clusterId, claim: undefined, attachments: [attachment] };

describe('listVolumes', () => {
  const list = (volumes: readonly Volume[], request = {}) =>
    readsOver(volumes).listVolumes(ListVolumesRequest.fromPartial(request));
  const ids = async (reply: ReturnType<typeof list>) => (await reply).entries.map(({ volume }) => volume?.volumeId);

  it('is in the order of IDs, whatever the order on the RDS, and byte-exact', async () => {
    const reply = await list([volumeOf('c'), volumeOf('a'), volumeOf('b')]);
    expect(reply.entries.map(({ volume }) => volume?.volumeId)).toEqual(['a', 'b', 'c'].map(idOf));
    expect(reply.entries[0]?.volume?.capacityBytes).toBe(9_007_199_254_740_993n);
    expect(reply.nextToken).toBe('');
  });

  it('goes on behind the token, also when that volume is gone', async () => {
    const first = await list([volumeOf('a'), volumeOf('b'), volumeOf('c')], { maxEntries: 2 });
    expect(first.nextToken).toBe(idOf('b'));
    const rest = [volumeOf('a'), volumeOf('c'), volumeOf('d')];
    await expect(ids(list(rest, { startingToken: first.nextToken }))).resolves.toEqual([idOf('c'), idOf('d')]);
  });

  it.each<[string, Partial<Volume>, object]>([
    ['exported', {}, { abnormal: false }],
    ['not exported', { exported: false }, { abnormal: true, message: expect.stringContaining('export is off') }],
    ['without a size', { sizeBytes: parseBytes(0n, 'size') }, { abnormal: true }],
    ['without its file', { fileExists: false }, { abnormal: true, message: expect.stringContaining('missing') }],
  ])('tells the condition of a volume that is %s', async (_fact, partial, condition) => {
    const { entries } = await list([volumeOf('a', partial)]);
    expect(entries[0]?.status?.volumeCondition).toMatchObject(condition);
  });

  it('takes an export that is off for right, with fencing, while no node has the volume', async () => {
    const free = volumeOf('a', { exported: false, record: { ...record, attachments: [] } });
    const conditionOf = async (volume: Volume, fencing: Fencing) =>
      (await readsOver([volume], 0n, fencing).listVolumes(ListVolumesRequest.fromPartial({}))).entries[0]?.status
        ?.volumeCondition;
    await expect(conditionOf(free, 'allow-host')).resolves.toMatchObject({ abnormal: false });
    await expect(conditionOf(free, 'off')).resolves.toMatchObject({ abnormal: true });
    await expect(conditionOf({ ...free, record }, 'allow-host')).resolves.toMatchObject({ abnormal: true });
    await expect(conditionOf({ ...free, sizeBytes: parseBytes(0n, 'size') }, 'allow-host')).resolves.toMatchObject({
      abnormal: true,
    });
  });

  it('names the nodes of the record', async () => {
    const { entries } = await list([volumeOf('a', { record })]);
    expect(entries[0]?.status?.publishedNodeIds).toEqual(['node-a']);
  });

  it('names no nodes of another cluster, and whose volume it is', async () => {
    const theirs = { ...record, clusterId: parseClusterId('theirs', 'clusterId') };
    const { entries } = await list([volumeOf('a', { record: theirs })]);
    expect(entries[0]?.status).toEqual({
      publishedNodeIds: [],
      volumeCondition: { abnormal: false, message: 'belongs to cluster theirs' },
    });
  });

  it('lists a volume whose record cannot be read, and why', async () => {
    const recordProblem = 'the comment "rds-csi/7" is no record';
    const { entries } = await list([volumeOf('a', { recordProblem }), volumeOf('b', { record })]);
    expect(entries.map(({ status }) => status)).toEqual([
      { publishedNodeIds: [], volumeCondition: { abnormal: true, message: recordProblem } },
      expect.objectContaining({ publishedNodeIds: ['node-a'] }),
    ]);
  });

  it.each(['x', '../', 'pvc-1', '"'])('refuses the token %j, which it never gave out', async (startingToken) => {
    await expect(list([], { startingToken })).rejects.toMatchObject({ kind: 'BadStartingToken' });
  });
});

describe('getCapacity', () => {
  it.each([
    ['whole MiB', 10n * 2n ** 20n + 7n, 10n * 2n ** 20n],
    ['at most what a volume may have', 2n ** 60n, MAX_VOLUME_BYTES],
  ])('offers as the largest volume %s', async (_fact, freeBytes, largest) => {
    const reply = await readsOver([], freeBytes).getCapacity(GetCapacityRequest.fromPartial({}));
    expect(reply).toEqual({ availableCapacity: freeBytes, maximumVolumeSize: largest, minimumVolumeSize: 2n ** 20n });
  });
});

describe('validateVolumeCapabilities', () => {
  const capability = {
    accessType: { $case: 'block', value: {} } as const,
    accessMode: { mode: 1 },
  };
  const validate = (request: DeepPartial<ValidateVolumeCapabilitiesRequest>) =>
    readsOver([volumeOf('a')]).validateVolumeCapabilities(
      ValidateVolumeCapabilitiesRequest.fromPartial({
        volumeId: idOf('a'),
        volumeCapabilities: [capability],
        ...request,
      }),
    );

  it('confirms what it was asked', async () => {
    const volumeContext = { nqn: volumeOf('a').nqn, volumePath: '/storage-pool/metal-csi', nvmePort: '4420' };
    const parameters = {
      nvmePort: '4420',
      volumePath: '/storage-pool/metal-csi',
      nqnPrefix: 'nqn.2000-02.com.mikrotik',
    };
    const { confirmed } = await validate({ volumeContext, parameters });
    expect(confirmed).toMatchObject({ volumeContext, parameters });
  });

  it.each<[string, DeepPartial<ValidateVolumeCapabilitiesRequest>, string]>([
    ['a context of another volume', { volumeContext: { nqn: 'nqn.2000-02.com.mikrotik:other' } }, 'volume_context.nqn'],
    ['a context of another path', { volumeContext: { volumePath: '/storage-pool/x' } }, 'volume_context.volumePath'],
    ['a context of another port', { volumeContext: { nvmePort: '4421' } }, 'volume_context.nvmePort'],
    ['parameters that are none', { parameters: { nope: '1' } }, 'nope'],
    ['another path', { parameters: { volumePath: '/storage-pool/metal-csi/x' } }, 'parameters.volumePath'],
    ['another port', { parameters: { nvmePort: '4421' } }, 'parameters.nvmePort'],
    ['another NQN', { parameters: { nqnPrefix: 'nqn.2026-11.io.example' } }, 'parameters.nqnPrefix'],
    [
      'capabilities that contradict',
      { volumeCapabilities: [{ ...capability, accessMode: { mode: 4 } }] },
      'access_mode',
    ],
  ])('does not confirm %s, and says why', async (_fact, request, words) => {
    const reply = await validate(request);
    expect([reply.confirmed, reply.message]).toEqual([undefined, expect.stringContaining(words)]);
  });

  it('knows what is missing before what is not there', async () => {
    await expect(validate({ volumeId: idOf('b'), volumeCapabilities: [] })).rejects.toMatchObject({
      kind: 'InvalidArgument',
    });
    await expect(validate({ volumeId: idOf('b') })).rejects.toMatchObject({ kind: 'VolumeNotFound' });
  });
});
