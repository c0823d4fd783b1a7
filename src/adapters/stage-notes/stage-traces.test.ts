import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Mount } from '../../domain/mountinfo';
import { parseNodeId, parseSubsystemNqn } from '../../domain/nqn';
import { parseVolumeId } from '../../domain/volume-id';
import { createFileNotes } from './file-notes';
import { createStageTraces } from './stage-traces';

const [volumeId, other] = [1, 2].map((n) => parseVolumeId(`pvc-00000000-0000-4000-8000-00000000000${n}`)) as [
  ReturnType<typeof parseVolumeId>,
  ReturnType<typeof parseVolumeId>,
];
const CSI = 'plugins/kubernetes.io/csi';
let folder: string;
let kubeletDir: string;
let mounted: string[];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'rds-csi-traces-')));
  kubeletDir = path.join(folder, 'kubelet');
  mkdirSync(kubeletDir);
  mounted = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): string {
  const place = path.join(kubeletDir, file);
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, text);
  return place;
}

const record = (file: string, volumeHandle: string = volumeId): string =>
  write(file, JSON.stringify({ driverName: 'any.driver', volumeHandle }));

async function stage(driverName: string, ofVolume = volumeId): Promise<string> {
  const notes = createFileNotes({ indexDir: path.join(kubeletDir, 'plugins', driverName, 'stages') });
  const stagingTargetPath = path.join(folder, `${driverName}-${ofVolume}`);
  await notes.write({
    volumeId: ofVolume,
    nodeId: parseNodeId('node-a', 'nodeId'),
    nqn: parseSubsystemNqn(`nqn.2000-02.com.mikrotik:${ofVolume}`, 'nqn'),
    stagingTargetPath,
    mode: { kind: 'block', readOnly: false },
    connectedBy: 'run-1',
    mountedBy: undefined,
    madeBy: 'run-1',
    devicesAt: [],
    readOnlyAt: [],
  });
  return stagingTargetPath;
}

const mountAt = (mountPoint: string): Mount => ({
  id: 1,
  parentId: 1,
  major: 8,
  minor: 1,
  root: '/',
  mountPoint,
  options: ['rw'],
  superOptions: ['rw'],
  fileSystemType: 'ext4',
  source: '/dev/sda1',
});
const find = (dir = kubeletDir): Promise<readonly string[]> =>
  createStageTraces({ kubeletDir: dir, mounts: { list: async () => mounted.map(mountAt) } }).find(volumeId);

describe('what says that a volume is staged', () => {
  it('is nothing where nothing is', async () => expect(await find()).toEqual([]));

  it('is a note of any deployment of this driver', async () => {
    const places = [await stage('my.driver'), await stage('other.driver')];
    await stage('other.driver', other);
    const index = (name: string) => path.join(kubeletDir, 'plugins', name, 'stages', volumeId);
    expect(await find()).toEqual([
      `staged at ${places[0]}, says ${index('my.driver')}`,
      `staged at ${places[1]}, says ${index('other.driver')}`,
    ]);
  });

  it.each([
    ['of a file system', `${CSI}/any.driver/0123abcd/vol_data.json`],
    ['of raw block', `${CSI}/volumeDevices/pv-1/data/vol_data.json`],
    ['of an older kubelet', `${CSI}/pv/pv-1/vol_data.json`],
  ])('is the kubelet’s record %s, whatever the driver', async (_what, file) => {
    const place = record(file);
    expect(await find()).toEqual([`staged by the kubelet, says ${place}`]);
  });

  it('is found where the kubelet’s directory is a link, and no file of another volume’s', async () => {
    const link = path.join(folder, 'link');
    symlinkSync(kubeletDir, link);
    const place = record(`${CSI}/any.driver/1/vol_data.json`);
    record(`${CSI}/any.driver/2/vol_data.json`, other);
    record(`${CSI}/any.driver/3/vol_data.json`, `${volumeId}-clone`);
    expect(await find(link)).toEqual([`staged by the kubelet, says ${place}`]);
  });

  it('is not looked for where drivers mount, nor behind links', async () => {
    for (const folders of ['any.driver/1/globalmount', 'volumeDevices/staging/pv-1', 'volumeDevices/publish/pv-1']) {
      const place = write(`${CSI}/${folders}/vol_data.json`, 'the content of a volume');
      mounted.push(path.dirname(place));
    }
    symlinkSync('any.driver/1/globalmount', path.join(kubeletDir, CSI, 'link'));
    expect(await find()).toEqual([]);
  });

  it.each<[string, RegExp, () => void]>([
    [
      'a record is empty',
      /1\/vol_data\.json does not say which volume/,
      () => void write(`${CSI}/any.driver/1/vol_data.json`, ''),
    ],
    [
      'a record names no volume',
      /1\/vol_data\.json does not say which volume/,
      () => void write(`${CSI}/any.driver/1/vol_data.json`, '{"driverName":"any.driver"}'),
    ],
    [
      'a record is a link',
      /1\/vol_data\.json is no file/,
      () => {
        mkdirSync(path.join(kubeletDir, CSI, 'any.driver/1'), { recursive: true });
        symlinkSync('nowhere', path.join(kubeletDir, CSI, 'any.driver/1/vol_data.json'));
      },
    ],
    [
      'something is mounted over records',
      /any\.driver is a mount/,
      () => mounted.push(path.dirname(write(`${CSI}/any.driver/1`, ''))),
    ],
    [
      'a note of another deployment’s cannot be read',
      /is no note of a stage/,
      () => {
        const stagingTargetPath = path.join(folder, 'staging');
        writeFileSync(`${stagingTargetPath}.rds-csi.json`, '');
        write(`plugins/other.driver/stages/${volumeId}`, stagingTargetPath);
      },
    ],
    [
      'there is no directory of the kubelet',
      /kubelet cannot be read: ENOENT/,
      () => rmSync(kubeletDir, { recursive: true }),
    ],
  ])('is not known where %s', async (_what, says, blind) => {
    blind();
    await expect(find()).rejects.toMatchObject({ kind: 'NodeToolFailed', message: expect.stringMatching(says) });
    mkdirSync(kubeletDir, { recursive: true });
  });
});
