import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createDisks } from '../../src/adapters/routeros/disks';
import type { DisksPort } from '../../src/adapters/routeros/port';
import { createSshSession, type SshSession } from '../../src/adapters/routeros/ssh-session';
import type { ExportChange } from '../../src/domain/export';
import { hostNqnOf } from '../../src/domain/host-nqn';
import type { Logger } from '../../src/domain/log';
import { parseNodeId, parseNqnPrefix, subsystemNqnOf } from '../../src/domain/nqn';
import { type Attachment, formatRecord, parseClusterId, type VolumeRecord } from '../../src/domain/record';
import { GIB, parseBytes, TIB } from '../../src/domain/size';
import type { VolumeSpec } from '../../src/domain/volume';
import { parseVolumeId } from '../../src/domain/volume-id';
import { filePathOf, parseVolumePath } from '../../src/domain/volume-path';
import { DEFAULT_POOL, type Simulator, startSimulator } from '../../src/simulator';
import { unknownToTheManual } from '../kit/manual';

const volumeId = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000a');
const otherId = parseVolumeId('pvc-6b2e7a4e-0000-4000-8000-00000000000b');
const clusterId = parseClusterId('lab', 'cluster');
const otherCluster = parseClusterId('other', 'cluster');
const root = parseVolumePath('/storage-pool/metal-csi', 'path');
const prefix = parseNqnPrefix('nqn.2000-02.com.mikrotik', 'prefix');
const record = { clusterId, claim: { namespace: 'shop', name: 'data' }, attachments: [] };
const onNode = (node: string) =>
  ({ nodeId: parseNodeId(node, 'node'), accessMode: 'single-node-writer', readOnly: false, content: 'ext4' }) as const;
const specOf = (id = volumeId, sizeBytes = 10n * GIB): VolumeSpec => ({
  volumeId: id,
  sizeBytes: parseBytes(sizeBytes, 'size'),
  limitBytes: undefined,
  volumePath: root,
  nqn: subsystemNqnOf(prefix, id),
  nvmePort: 4420,
  exported: true,
  record,
});
const spec = specOf();
const filePath = filePathOf(root, volumeId);

let simulator: Simulator;
let session: SshSession;
let disks: DisksPort;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rds-csi-disks-'));
  simulator = await startSimulator({ stateDir: folder, password: 'secret' });
  const ignore = () => undefined;
  const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  session = createSshSession({
    host: '127.0.0.1',
    port: simulator.sshPort,
    credentials: { username: simulator.user, password: 'secret' },
    hostKey: { kind: 'pinned', key: simulator.hostKey },
    limits: {
      execLimitMs: 1_500,
      changeLimitMs: 3_000,
      queueLimitMs: 1_500,
      reconnectInitialMs: 50,
      reconnectMaximumMs: 200,
    },
    logger,
  });
  session.start();
  disks = createDisks({ session, roots: [root], logger });
});

afterEach(async () => {
  await session.stop();
  // `run` goes past SSH, and what it is asked is the test's own: the driver's scripts are the one kind that ends in JSON.
  const sent = simulator.knobs.commandsSince().filter(({ script }) => script.startsWith(':onerror'));
  expect(unknownToTheManual(sent)).toEqual([]);
  await simulator.close();
  await rm(folder, { recursive: true });
});

const open = { wish: { kind: 'any-host' }, endSessions: false } as const;
const asItIs = { wish: { kind: 'as-it-is' }, endSessions: false } as const;
const attach = (attachment: Attachment, exportChange: ExportChange = open) =>
  disks.attach(volumeId, { clusterId, attachment, exportChange });
const detach = ({ nodeId }: Attachment, exportChange: ExportChange = asItIs) =>
  disks.detach(volumeId, { clusterId, nodeId, exportChange });
const writeRecord = (expectedComment: string, written: VolumeRecord) =>
  disks.writeRecord(volumeId, { expectedComment, record: written, exportChange: open });
/** Runs a script at the simulator's own prompt, past the driver. */
const run = (script: string) => simulator.knobs.execute(script);
const changes = (since: number) =>
  simulator.knobs
    .commandsSince(since)
    .flatMap(({ commands }) => commands)
    .filter(({ command }) => ['add', 'set', 'remove'].includes(command));
const now = () => simulator.knobs.commandsSince().at(-1)?.sequence ?? 0;
const filesOf = (name: string) => run(`:put [:len [/file find where name~"${name}"]]`);

describe('create', () => {
  it('makes a volume, byte by byte as asked for', async () => {
    const sizeBytes = parseBytes(10n * GIB + 1n, 'size');
    const volume = await disks.create({ ...spec, sizeBytes });
    expect(volume).toEqual({
      volumeId,
      sizeBytes,
      filePath,
      nqn: spec.nqn,
      nvmePort: 4420,
      exported: true,
      allowedHost: '',
      fileExists: true,
      comment: formatRecord(record),
      record,
    });
    expect(await run(`:put [/disk get ${volumeId} mount-filesystem]`)).toMatch(/^false/);
  });

  it('changes nothing the second time, whatever is asked for', async () => {
    const first = await disks.create(spec);
    const since = now();
    await expect(disks.create(specOf(volumeId, 20n * GIB))).resolves.toEqual(first);
    expect(changes(since)).toEqual([]);
  });

  it('turns an export on that was off', async () => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} nvme-tcp-export=no`);
    await expect(disks.create(spec)).resolves.toMatchObject({ exported: true });
  });

  it('leaves the export of another cluster’s volume off', async () => {
    await disks.create({ ...spec, record: { ...record, clusterId: otherCluster } });
    await run(`/disk set ${volumeId} nvme-tcp-export=no`);
    await expect(disks.create(spec)).resolves.toMatchObject({ exported: false, record: { clusterId: otherCluster } });
  });

  it('makes the directories on the way, once', async () => {
    const volumePath = parseVolumePath(`${root}/a/b`, 'path');
    await expect(disks.create({ ...spec, volumePath })).resolves.toMatchObject({
      filePath: filePathOf(volumePath, volumeId),
    });
    await expect(disks.create({ ...specOf(otherId), volumePath })).resolves.toMatchObject({ fileExists: true });
  });

  it.each([
    ['smaller', 5n * GIB],
    ['of the size', 10n * GIB],
  ])('goes on with a file of an earlier try that is %s', async (_fact, sizeBytes) => {
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath, sizeBytes: sizeBytes.toString() });
    await expect(disks.create(spec)).resolves.toMatchObject({ sizeBytes: 10n * GIB, fileExists: true });
  });

  it('leaves a larger file alone', async () => {
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath, sizeBytes: (11n * GIB).toString() });
    await expect(disks.create(spec)).rejects.toMatchObject({ kind: 'VolumeExists' });
    expect(await filesOf(volumeId)).toMatch(/^1/);
  });

  it('says how much room there is, and leaves nothing behind', async () => {
    const fault = disks.create(specOf(volumeId, 2n * TIB));
    await expect(fault).rejects.toMatchObject({
      kind: 'PoolExhausted',
      message: `${volumeId}: pool storage-pool has 1099511627776 B (1 TiB) free, asked for 2199023255552 B (2 TiB)`,
    });
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual({ volume: undefined, fileExists: false });
    expect(DEFAULT_POOL.sizeBytes).toBe(TIB);
  });

  it('leaves a disk alone that is in the slot and not ours', async () => {
    simulator.knobs.addOrphan({ kind: 'foreign-disk', slot: volumeId });
    const since = now();
    await expect(disks.create(spec)).rejects.toMatchObject({ kind: 'NotOurs' });
    expect(changes(since)).toEqual([]);
  });

  it('makes no second disk on a file, and names the one that uses it', async () => {
    simulator.knobs.addOrphan({ kind: 'foreign-disk', slot: 'mine', filePath, values: { type: 'file' } });
    const since = now();
    await expect(disks.create(spec)).rejects.toMatchObject({
      kind: 'NotOurs',
      message: expect.stringContaining('used by the disk "mine"'),
    });
    expect(changes(since)).toEqual([]);
  });

  it('goes on for as long as RouterOS takes while the connection is alive', async () => {
    simulator.knobs.setLatency({ allocation: 2_000 });
    await expect(disks.create(spec)).resolves.toMatchObject({ volumeId });
    expect(changes(0).filter(({ command }) => command === 'add')).toHaveLength(1);
    expect(session.state.connected).toBe(true);
  });

  it('passes on what RouterOS refuses, in its words', async () => {
    simulator.knobs.addFault({ command: '^/disk/add', mode: 'error', text: 'failure: the dog ate it' });
    await expect(disks.create(spec)).rejects.toMatchObject({
      kind: 'ArrayRefused',
      message: expect.stringContaining('the dog ate it'),
    });
  });
});

describe('find and list', () => {
  it('find nothing where nothing is', async () => {
    await expect(disks.find(volumeId)).resolves.toBeUndefined();
    await expect(disks.list()).resolves.toEqual([]);
  });

  it('find what was made, and leave out what is not ours', async () => {
    const one = await disks.create(spec);
    const two = await disks.create(specOf(otherId));
    simulator.knobs.addOrphan({ kind: 'foreign-disk', slot: 'pvc-6b2e7a4e-0000-4000-8000-00000000000c' });
    simulator.knobs.addOrphan({
      kind: 'foreign-disk',
      slot: 'pvc-6b2e7a4e-0000-4000-8000-00000000000d',
      filePath: '/storage-pool/x.img',
    });
    await expect(disks.find(volumeId)).resolves.toEqual(one);
    const listed = await disks.list();
    expect(listed.map(({ volumeId }) => volumeId)).toEqual([one.volumeId, two.volumeId]);
  });

  it('read a volume whose record is damaged, and say so; nothing changes it', async () => {
    await disks.create(spec);
    await disks.create(specOf(otherId));
    await run(`/disk set ${volumeId} comment="rds-csi/1 cluster=lab"`);
    const damaged = { volumeId, record: undefined, recordProblem: expect.stringContaining('is no record that can be') };
    await expect(disks.find(volumeId)).resolves.toMatchObject(damaged);
    await expect(disks.list()).resolves.toMatchObject([damaged, { volumeId: otherId, recordProblem: undefined }]);
    const since = now();
    for (const change of [
      () => disks.create(spec),
      () => disks.resize(volumeId, 20n * GIB, clusterId),
      () => disks.remove(volumeId, clusterId),
      () => attach(onNode('node-1')),
      () => detach(onNode('node-1')),
      () => writeRecord('', record),
    ]) {
      await expect(change()).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
    }
    expect(changes(since).filter(({ positional }) => positional[0] !== '')).toEqual([]);
  });

  it('read the volume of an older driver', async () => {
    await disks.create(spec);
    await run(`/disk unset ${volumeId} comment`);
    await expect(disks.find(volumeId)).resolves.toMatchObject({ comment: '', record: undefined });
    await expect(disks.list()).resolves.toMatchObject([{ comment: '', record: undefined }]);
  });

  it('see that the file is missing', async () => {
    const values = { type: 'file', 'nvme-tcp-server-nqn': spec.nqn, 'nvme-tcp-export': 'yes' };
    simulator.knobs.addOrphan({ kind: 'disk-without-file', slot: volumeId, filePath, values });
    await expect(disks.find(volumeId)).resolves.toMatchObject({ fileExists: false, sizeBytes: 0n });
    await expect(disks.list()).resolves.toMatchObject([{ volumeId, sizeBytes: 0n }]);
    await expect(disks.create(spec)).rejects.toMatchObject({ kind: 'ArrayUnsettled' });
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual({ volume: undefined, fileExists: false });
  });
});

describe('resize', () => {
  it('grows, to the byte, and never shrinks', async () => {
    await disks.create(spec);
    const sizeBytes = 3n * (TIB / 4n) + 1n;
    await expect(disks.resize(volumeId, sizeBytes, clusterId)).resolves.toMatchObject({ sizeBytes });
    const since = now();
    await expect(disks.resize(volumeId, sizeBytes, clusterId)).resolves.toMatchObject({ sizeBytes });
    await expect(disks.resize(volumeId, GIB, clusterId)).resolves.toMatchObject({ sizeBytes });
    expect(changes(since)).toEqual([]);
  });

  it('leaves another cluster’s volume as it is', async () => {
    await disks.create({ ...spec, record: { ...record, clusterId: otherCluster } });
    const since = now();
    await expect(disks.resize(volumeId, 20n * GIB, clusterId)).resolves.toMatchObject({ sizeBytes: 10n * GIB });
    expect(changes(since)).toEqual([]);
    await expect(disks.resize(volumeId, 20n * GIB, undefined)).resolves.toMatchObject({ sizeBytes: 20n * GIB });
  });

  it('says that there is no such volume', async () => {
    await expect(disks.resize(volumeId, GIB, clusterId)).resolves.toBeUndefined();
  });

  it('says how much room there is', async () => {
    await disks.create(spec);
    await expect(disks.resize(volumeId, 2n * TIB, clusterId)).rejects.toMatchObject({
      kind: 'PoolExhausted',
      message: expect.stringMatching(/pool storage-pool has \d+ B \(.+\) free, asked for 2199023255552 B \(2 TiB\)$/),
    });
  });
});

describe('remove', () => {
  const NOTHING = { volume: undefined, fileExists: false };

  it('takes disk and file away, and has nothing to do the second time', async () => {
    await disks.create(spec);
    const other = await disks.create(specOf(otherId));
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^0/);
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
    await expect(disks.list()).resolves.toMatchObject([{ volumeId: other.volumeId }]);
    expect(await filesOf(otherId)).toMatch(/^1/);
  });

  it('takes a file away whose disk is gone, wherever below the root it lies', async () => {
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath: `${root}/a/${volumeId}.img` });
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath: `${root}/a/${volumeId}.img.bak` });
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath: `/storage-pool/${volumeId}.img` });
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^2/);
  });

  it('leaves copies of its file in snapshots, of whatever name, and takes its own even where that lies in one', async () => {
    const subvolume = (options: string) => run(`/disk/btrfs/subvolume/add fs=storage-pool-fs ${options}`);
    const volumePath = parseVolumePath(`${root}/data`, 'path');
    await run(`/file add name=${root.slice(1)} type=directory`);
    await subvolume(`name=metal-csi/data`);
    await disks.create({ ...spec, volumePath });
    await subvolume('name=metal-csi/monday parent=metal-csi/data read-only=yes');
    await subvolume('name=metal-csi/tuesday parent=metal-csi/data');
    expect(await filesOf(volumeId)).toMatch(/^3/);
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^2/);
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^2/);
    // A directory that was restored from a snapshot is in use again.
    await disks.create({ ...specOf(otherId), volumePath: parseVolumePath(`${root}/tuesday`, 'path') });
    await expect(disks.remove(otherId, clusterId)).resolves.toEqual(NOTHING);
    expect(await filesOf(otherId)).toMatch(/^0/);
  });

  it('takes its own file alone, if that is wished', async () => {
    await disks.create(spec);
    simulator.knobs.addOrphan({ kind: 'file-without-disk', filePath: `${root}/rescue/${volumeId}.img` });
    await expect(disks.remove(volumeId, clusterId, 'own')).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^1/);
    await expect(disks.remove(volumeId, clusterId, 'own')).resolves.toEqual(NOTHING);
    expect(await filesOf(volumeId)).toMatch(/^1/);
  });

  it('takes the volume of an older driver away', async () => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} comment="somebody's disk"`);
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
  });

  it.each([
    ['attached', { ...record, attachments: [onNode('node-1')] }],
    ['another cluster’s', { ...record, clusterId: otherCluster }],
  ])('leaves a volume alone that is %s', async (_fact, kept) => {
    await disks.create({ ...spec, record: kept });
    const since = now();
    await expect(disks.remove(volumeId, clusterId)).resolves.toMatchObject({
      volume: { record: kept },
      fileExists: true,
    });
    expect(changes(since).filter(({ positional }) => positional[0] !== '')).toEqual([]);
    await expect(disks.find(volumeId)).resolves.toMatchObject({ exported: true, fileExists: true });
  });

  it('leaves a volume alone whose record is damaged', async () => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} comment="RDS-CSI/1 cluster=lab"`);
    await expect(disks.remove(volumeId, clusterId)).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
    expect(await run(`:put [:len [/disk find where slot="${volumeId}" nvme-tcp-export=yes]]`)).toMatch(/^1/);
  });

  it('leaves a file alone that another disk uses', async () => {
    simulator.knobs.addOrphan({ kind: 'foreign-disk', slot: 'mine', filePath, values: { type: 'file' } });
    await expect(disks.remove(volumeId, clusterId)).rejects.toMatchObject({ kind: 'NotOurs' });
    expect(await filesOf(volumeId)).toMatch(/^1/);
  });

  it('goes on where an earlier try stopped', async () => {
    await disks.create(spec);
    simulator.knobs.addFault({ command: '^/file/remove', mode: 'reset' });
    await expect(disks.remove(volumeId, clusterId)).rejects.toMatchObject({ kind: 'ArrayNoAnswer' });
    await expect(disks.remove(volumeId, clusterId)).resolves.toEqual(NOTHING);
  });
});

describe('attach and detach', () => {
  const one = onNode('node-1.example');
  const two = onNode('node-2.example');

  it('add the node, and take it off', async () => {
    await disks.create(spec);
    const attached = await attach(one);
    expect(attached).toMatchObject({ exported: true, record: { ...record, attachments: [one] } });
    expect(attached?.comment).toBe(formatRecord({ ...record, attachments: [one] }));
    const detached = await detach(one);
    expect(detached?.comment).toBe(formatRecord(record));
  });

  it('turn the export on', async () => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} nvme-tcp-export=no`);
    await expect(attach(one)).resolves.toMatchObject({ exported: true });
  });

  it.each([
    ['attached already', { ...record, attachments: [one] }],
    ['another cluster’s', { ...record, clusterId: otherCluster }],
  ])('attach leaves a volume alone that is %s', async (_fact, kept) => {
    await disks.create({ ...spec, record: kept });
    const since = now();
    await expect(attach(two)).resolves.toMatchObject({ record: kept });
    expect(changes(since)).toEqual([]);
  });

  it.each([
    ['attached to another node', { ...record, attachments: [two] }],
    ['attached to no node', record],
    ['another cluster’s', { ...record, clusterId: otherCluster, attachments: [one] }],
  ])('detach leaves a volume alone that is %s', async (_fact, kept) => {
    await disks.create({ ...spec, record: kept });
    const since = now();
    await expect(detach(one)).resolves.toMatchObject({ record: kept });
    expect(changes(since)).toEqual([]);
  });

  it('find nothing where nothing is', async () => {
    await expect(attach(one)).resolves.toBeUndefined();
    await expect(detach(one)).resolves.toBeUndefined();
  });

  it('leave a disk alone that is not ours', async () => {
    simulator.knobs.addOrphan({ kind: 'foreign-disk', slot: volumeId, values: { comment: formatRecord(record) } });
    const since = now();
    await expect(attach(one)).rejects.toMatchObject({ kind: 'NotOurs' });
    await expect(writeRecord(formatRecord(record), record)).rejects.toMatchObject({ kind: 'NotOurs' });
    expect(changes(since)).toEqual([]);
  });
});

describe('writeRecord', () => {
  const written = { ...record, attachments: [onNode('node-1')] };

  it.each(['', 'a disk', 'a "quoted" $variable [command] ; \\ ? é', '"; /disk remove [find]; #'])(
    'replaces the comment %j',
    async (comment) => {
      await disks.create(spec);
      const quoted = comment.replace(/["\\$?]/g, '\\$&');
      await run(comment === '' ? `/disk unset ${volumeId} comment` : `/disk set ${volumeId} comment="${quoted}"`);
      const before = await disks.find(volumeId);
      expect(before?.comment).toBe(comment);
      const after = await writeRecord(comment, written);
      expect(after).toMatchObject({ exported: true, record: written });
    },
  );

  it('leaves the export off where that does not matter', async () => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} nvme-tcp-export=no`);
    const change = { expectedComment: formatRecord(record), record: written, exportChange: asItIs };
    await expect(disks.writeRecord(volumeId, change)).resolves.toMatchObject({ exported: false, record: written });
  });

  it('changes nothing if the comment is another by now', async () => {
    await disks.create(spec);
    const since = now();
    await expect(writeRecord('another', written)).resolves.toMatchObject({ record });
    await expect(writeRecord('', written)).resolves.toMatchObject({ record });
    expect(changes(since)).toEqual([]);
  });
});

describe('an export with fencing', () => {
  const a = onNode('node-a');
  const b = onNode('node-b');
  const only = ({ nodeId }: Attachment, endSessions = false): ExportChange => ({
    wish: { kind: 'one-host', hostNqn: hostNqnOf(nodeId) },
    endSessions,
  });
  const closed: ExportChange = { wish: { kind: 'off' }, endSessions: false };
  const join = ({ nodeId }: Attachment) =>
    simulator.knobs.connectHost({ slot: volumeId, hostNqn: hostNqnOf(nodeId) }).outcome;
  const connected = () => simulator.knobs.listSessions().map(({ hostNqn }) => hostNqn);
  const nqn = ({ nodeId }: Attachment) => hostNqnOf(nodeId);

  it('lets nobody in before a node has the volume, then that node, then nobody', async () => {
    await expect(disks.create({ ...spec, exported: false })).resolves.toMatchObject({ exported: false });
    await expect(disks.create({ ...spec, exported: false })).resolves.toMatchObject({ exported: false });
    expect([join(a), join(b)]).toEqual(['refused', 'refused']);
    await expect(attach(a, only(a, true))).resolves.toMatchObject({ exported: true, allowedHost: nqn(a) });
    expect([join(a), join(b)]).toEqual(['connected', 'refused']);
    await expect(detach(a, closed)).resolves.toMatchObject({ exported: false, allowedHost: '' });
    expect([join(a), join(b), connected()]).toEqual(['refused', 'refused', []]);
  });

  it('ends the sessions of whoever no record names when a node gets the volume', async () => {
    await disks.create(spec);
    join(b);
    await attach(a, only(a, true));
    expect(connected()).toEqual([]);
    expect(join(b)).toBe('refused');
  });

  it('ends the sessions of a node that was cleared, whose peer comes back and it does not', async () => {
    await disks.create(spec);
    await attach(a, open);
    expect([join(a), join(b)]).toEqual(['connected', 'connected']);
    const held = { ...record, attachments: [a] };
    const change = { expectedComment: formatRecord(held), record: { ...record, attachments: [b] } };
    await disks.writeRecord(volumeId, { ...change, exportChange: only(b, true) });
    expect(connected()).toEqual([]);
    expect([join(a), join(b)]).toEqual(['refused', 'connected']);
  });

  it('changes hands without ending the session of the node that stays', async () => {
    await disks.create(spec);
    await attach(a, open);
    join(a);
    const held = { ...record, attachments: [a] };
    const since = now();
    await disks.writeRecord(volumeId, { expectedComment: formatRecord(held), record: held, exportChange: only(a) });
    expect(connected()).toEqual([nqn(a)]);
    await disks.writeRecord(volumeId, { expectedComment: formatRecord(held), record: held, exportChange: only(a) });
    const sets = changes(since).map(({ arguments: given }) => given.map(({ name }) => name));
    expect(sets).toEqual([['nvme-tcp-server-allow-host-name'], ['comment'], ['comment']]);
  });

  it.each(['reset', 'error'] as const)(
    'is whole when repeated after each command that fails (%s)',
    async (mode) => {
      for (let nth = 1; nth <= 4; nth += 1) {
        await disks.create(spec);
        await attach(a, only(a));
        join(a);
        simulator.knobs.addFault({ command: '^/disk/set', mode, nth, when: 'before', text: 'failure: timeout' });
        const held = { ...record, attachments: [a] };
        const clear = () =>
          disks.writeRecord(volumeId, {
            expectedComment: formatRecord(held),
            record: { ...record, attachments: [b] },
            exportChange: only(b, true),
          });
        await expect(clear()).rejects.toMatchObject({ kind: mode === 'reset' ? 'ArrayNoAnswer' : 'ArrayRefused' });
        await expect(disks.find(volumeId)).resolves.toMatchObject({ record: held });
        await expect(clear()).resolves.toMatchObject({ exported: true, allowedHost: nqn(b) });
        expect([connected(), join(a), join(b)]).toEqual([[], 'refused', 'connected']);
        await detach(b, closed);
        await disks.remove(volumeId, clusterId);
      }
    },
    30_000,
  );
});

describe('pool', () => {
  it('tells size and free space', async () => {
    await disks.create(spec);
    const pool = await disks.pool(root);
    expect(pool).toMatchObject({ name: 'storage-pool', sizeBytes: TIB });
    expect(pool.freeBytes).toBe(TIB - 10n * GIB);
  });

  it('says that there is none', async () => {
    await expect(disks.pool(parseVolumePath('/nowhere/x', 'path'))).rejects.toMatchObject({ kind: 'ArrayRefused' });
  });
});

describe('every change', () => {
  const attachment = onNode('node-1');
  const CHANGES: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    ['create', '^/disk/add', () => disks.create(specOf(otherId))],
    ['resize', '^/disk/set', () => disks.resize(volumeId, 20n * GIB, clusterId)],
    ['remove', '^/disk/remove', () => disks.remove(volumeId, clusterId)],
    ['attach', '^/disk/set', () => attach(attachment)],
    ['writeRecord', '^/disk/set', () => writeRecord(formatRecord(record), record)],
  ];

  describe.each(['before', 'after'] as const)('whose reply is lost %s it took effect', (when) => {
    it.each(CHANGES)('%s is not answered, and right when repeated', async (operation, command, act) => {
      await disks.create(spec);
      simulator.knobs.addFault({ command, mode: 'reset', when });
      await expect(act()).rejects.toMatchObject({ kind: 'ArrayNoAnswer' });
      const repeated = await act();
      if (operation === 'remove') expect(repeated).toEqual({ volume: undefined, fileExists: false });
      else expect(repeated).toMatchObject({ exported: true });
      const listed = await disks.list();
      expect(listed).toHaveLength({ create: 2, remove: 0 }[operation] ?? 1);
    });
  });

  it.each([...CHANGES, ['detach', '^/disk/set', () => detach(attachment)] as const])(
    '%s that took effect, and printed an error, is done',
    async (operation, command, act) => {
      await disks.create(operation === 'detach' ? { ...spec, record: { ...record, attachments: [attachment] } } : spec);
      simulator.knobs.addFault({ command, mode: 'error', when: 'after', text: 'failure: timeout' });
      await expect(act()).resolves.toBeDefined();
      expect(simulator.knobs.state().faults).toMatchObject([{ fired: 1 }]);
    },
  );

  it.each([
    ['attach', () => attach(attachment)],
    ['writeRecord', () => writeRecord(formatRecord(record), { ...record, attachments: [attachment] })],
  ])('%s whose export RouterOS refuses writes no record, and says why', async (_operation, act) => {
    await disks.create(spec);
    await run(`/disk set ${volumeId} nvme-tcp-export=no`);
    simulator.knobs.addFault({
      command: '^/disk/set .*nvme-tcp-export',
      mode: 'error',
      text: 'failure: port in conflict',
    });
    await expect(act()).rejects.toMatchObject({
      kind: 'ArrayRefused',
      message: expect.stringContaining('port in conflict'),
    });
    await expect(disks.find(volumeId)).resolves.toMatchObject({ record, exported: false });
  });

  it.each(['truncate', 'garbage'] as const)('whose reply is spoilt (%s) is unreadable', async (mode) => {
    await disks.create(spec);
    simulator.knobs.addFault({ mode, times: 0 });
    for (const [, , act] of CHANGES) await expect(act()).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
    await expect(disks.find(volumeId)).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
    await expect(disks.list()).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
    await expect(disks.pool(root)).rejects.toMatchObject({ kind: 'ArrayUnreadable' });
  });

  it('that hangs ends at its limit, and the others go on', async () => {
    await disks.create(spec);
    simulator.knobs.addFault({ command: '^/disk/set', mode: 'hang' });
    const hanging = disks.resize(volumeId, 20n * GIB, clusterId);
    await expect(disks.find(volumeId)).resolves.toMatchObject({ volumeId });
    await expect(hanging).rejects.toMatchObject({ kind: 'ArrayNoAnswer' });
    await expect(disks.resize(volumeId, 20n * GIB, clusterId)).resolves.toMatchObject({ sizeBytes: 20n * GIB });
  });
});

describe('the RDS going away', () => {
  it('is told, and over when it is back', async () => {
    await disks.create(spec);
    await simulator.knobs.stop();
    while (session.state.connected) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(disks.find(volumeId)).rejects.toMatchObject({
      kind: 'ArrayUnreachable',
      message: expect.stringMatching(/cannot be reached since .*Z: /),
    });
    await simulator.knobs.start();
    await expect(disks.find(volumeId)).resolves.toMatchObject({ volumeId });
  });
});
