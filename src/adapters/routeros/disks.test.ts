import { describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import { parseNodeId, parseNqnPrefix, subsystemNqnOf } from '../../domain/nqn';
import { parseClusterId } from '../../domain/record';
import { GIB, parseBytes } from '../../domain/size';
import type { VolumeSpec } from '../../domain/volume';
import { parseVolumeId } from '../../domain/volume-id';
import { parseVolumePath } from '../../domain/volume-path';
import { createDisks, type DisksEvent } from './disks';
import type { DisksPort } from './port';
import type { ExecOptions } from './ssh-session';

const volumeId = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000a');
const clusterId = parseClusterId('lab', 'cluster');
const root = parseVolumePath('/storage-pool/metal-csi', 'path');
const filePath = `${root}/${volumeId}.img`;
const nqn = subsystemNqnOf(parseNqnPrefix('nqn.2000-02.com.mikrotik', 'prefix'), volumeId);
const record = { clusterId, claim: undefined, attachments: [] };
const attachment = {
  nodeId: parseNodeId('node-1', 'node'),
  accessMode: 'single-node-writer',
  readOnly: false,
  content: 'ext4',
} as const;
const spec: VolumeSpec = {
  volumeId,
  sizeBytes: parseBytes(GIB, 'size'),
  limitBytes: undefined,
  volumePath: root,
  nqn,
  nvmePort: 4420,
  exported: true,
  record,
};
const ROW = {
  slot: volumeId,
  type: 'file',
  size: 1_073_741_824,
  'file-path': filePath,
  'nvme-tcp-export': true,
  'nvme-tcp-server-nqn': nqn,
  'nvme-tcp-server-port': 4420,
};
/** Holds what any of the scripts prints. */
const ANSWER = {
  volume: volumeId,
  disks: [ROW],
  disksCount: 1,
  oursCount: 1,
  files: [{ name: filePath.slice(1), size: 1_073_741_824 }],
  filesCount: 1,
  users: [],
  usersCount: 0,
  subvolumes: [],
  subvolumesCount: 0,
  failure: '',
  own: '',
  mounts: [{ slot: 'raid', 'mount-point': 'storage-pool', size: 100, free: 50 }],
  mountsCount: 1,
  pools: [],
  poolsCount: 0,
};

const exportChange = { wish: { kind: 'any-host' }, endSessions: false } as const;

const OPERATIONS: readonly (readonly [keyof DisksPort, 'read' | 'change', (disks: DisksPort) => Promise<unknown>])[] = [
  ['create', 'change', (disks) => disks.create(spec)],
  ['find', 'read', (disks) => disks.find(volumeId)],
  ['list', 'read', (disks) => disks.list()],
  ['survey', 'read', (disks) => disks.survey()],
  ['resize', 'change', (disks) => disks.resize(volumeId, 2n * GIB, clusterId)],
  ['remove', 'change', (disks) => disks.remove(volumeId, clusterId)],
  ['attach', 'change', (disks) => disks.attach(volumeId, { clusterId, attachment, exportChange })],
  ['detach', 'change', (disks) => disks.detach(volumeId, { clusterId, nodeId: attachment.nodeId, exportChange })],
  ['writeRecord', 'change', (disks) => disks.writeRecord(volumeId, { expectedComment: '', record, exportChange })],
  ['pool', 'read', (disks) => disks.pool(root)],
];

function disksOver(answer: object | Error, currentSignal: () => AbortSignal | undefined = () => undefined) {
  const execs: { readonly script: string; readonly options: ExecOptions }[] = [];
  const events: DisksEvent[] = [];
  const ignore = () => undefined;
  const disks = createDisks({
    session: {
      exec: async (script, options) => {
        execs.push({ script, options });
        if (answer instanceof Error) throw answer;
        return { stdout: `${JSON.stringify(answer)}\n`, stderr: '' };
      },
    },
    roots: [root],
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    currentSignal,
    onEvent: (event) => events.push(event),
  });
  return { disks, execs, events };
}

describe('disks', () => {
  it.each(OPERATIONS)('%s is one exec', async (operation, effect, act) => {
    const { disks, execs, events } = disksOver(ANSWER);
    await act(disks);
    expect(execs).toMatchObject([{ options: { effect } }]);
    expect(events).toEqual([{ operation, outcome: 'ok', seconds: expect.any(Number) }]);
  });

  it.each(OPERATIONS)('%s hands on the signal of whoever asks', async (_operation, _effect, act) => {
    const { signal } = new AbortController();
    const { disks, execs } = disksOver(ANSWER, () => signal);
    await act(disks);
    expect(execs[0]?.options.signal).toBe(signal);
  });

  it.each(OPERATIONS)('%s is not tried again by itself', async (operation, _effect, act) => {
    const fault = new Fault('ArrayNoAnswer', 'x');
    const { disks, execs, events } = disksOver(fault);
    await expect(act(disks)).rejects.toBe(fault);
    expect(execs).toHaveLength(1);
    expect(events).toMatchObject([{ operation, outcome: 'ArrayNoAnswer' }]);
  });

  it.each(OPERATIONS)('%s never takes an empty answer for anything', async (_operation, _effect, act) => {
    const { disks } = disksOver({});
    await expect(act(disks)).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
  });

  it.each([
    ['create', (disks: DisksPort) => disks.create(spec)],
    ['attach', (disks: DisksPort) => disks.attach(volumeId, { clusterId, attachment, exportChange })],
  ])('%s says that an operator has disabled the disk', async (_operation, act) => {
    const { disks } = disksOver({ ...ANSWER, disks: [{ ...ROW, disabled: true }] });
    await expect(act(disks)).rejects.toMatchObject({
      kind: 'ArrayUnsettled',
      message: expect.stringContaining('disabled on the RDS'),
    });
  });

  it.each([
    ['create', (disks: DisksPort) => disks.create(spec)],
    ['attach', (disks: DisksPort) => disks.attach(volumeId, { clusterId, attachment, exportChange })],
    ['resize', (disks: DisksPort) => disks.resize(volumeId, 2n * GIB, clusterId)],
  ])('%s takes a size that is not shown for none', async (_operation, act) => {
    const { size: _size, ...row } = ROW;
    const { disks } = disksOver({ ...ANSWER, disks: [row], files: [], filesCount: 0 });
    await expect(act(disks)).rejects.toMatchObject({
      kind: 'ArrayUnsettled',
      message: expect.stringContaining(`is its backing file ${filePath} missing?`),
    });
  });

  it('detaches from a disk that is disabled', async () => {
    const { disks } = disksOver({ ...ANSWER, disks: [{ ...ROW, disabled: true }] });
    await expect(disks.detach(volumeId, { clusterId, nodeId: attachment.nodeId, exportChange })).resolves.toMatchObject(
      { exported: false },
    );
  });

  it('sends nothing that it would not recognise', async () => {
    const { disks, execs } = disksOver(ANSWER);
    const elsewhere = { ...spec, volumePath: parseVolumePath('/elsewhere', 'path') };
    await expect(disks.create(elsewhere)).rejects.toMatchObject({ kind: 'InvalidArgument' });
    expect(execs).toEqual([]);
  });

  it('is not made without a root', () => {
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const session = { exec: () => Promise.reject(new Error('not asked')) };
    expect(() => createDisks({ session, roots: [], logger })).toThrow(
      expect.objectContaining({ kind: 'InvalidArgument' }),
    );
  });
});
