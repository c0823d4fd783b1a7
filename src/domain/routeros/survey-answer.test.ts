import { describe, expect, it } from '@jest/globals';
import { parseVolumeId } from '../volume-id';
import { parseVolumePath } from '../volume-path';
import { parseSurveyAnswer } from './survey-answer';

const roots = [parseVolumePath('/pool/csi', 'path')];
const [ONE, TWO] = ['1', '2'].map((end) => parseVolumeId(`pvc-6b2e7a4e-0000-4000-8000-00000000000${end}`));
const diskOf = (slot: string | undefined, row: object = {}) => ({
  comment: '',
  disabled: false,
  'file-path': `/pool/csi/${slot}.img`,
  'nvme-tcp-export': true,
  'nvme-tcp-server-nqn': `nqn.2000-02.com.mikrotik:${slot}`,
  'nvme-tcp-server-port': 4420,
  size: 1_024,
  slot,
  type: 'file',
  ...row,
});
const fileOf = (name: string) => ({ name, size: 1_024 });

function survey(
  disks: readonly { readonly slot: string | undefined; readonly 'file-path': string }[],
  files: readonly object[],
  subvolumes: readonly object[] = [],
) {
  const users = disks.map((disk) => ({ slot: disk.slot, 'file-path': disk['file-path'] }));
  const rows = { disks: disks.filter(({ slot }) => slot?.startsWith('pvc-')), files, users, subvolumes };
  const counts = Object.entries(rows).map(([name, all]) => [`${name}Count`, all.length]);
  const answer = { ...rows, ...Object.fromEntries(counts) };
  return parseSurveyAnswer({ stdout: `${JSON.stringify(answer)}\r\n`, stderr: '' }, roots);
}

describe('parseSurveyAnswer', () => {
  it('tells of each volume whether its file is there, with or without a leading slash', () => {
    const { volumes, strayFiles } = survey([diskOf(ONE), diskOf(TWO)], [fileOf(`pool/csi/${ONE}.img`)]);
    expect(volumes.map(({ volumeId, fileExists }) => [volumeId, fileExists])).toEqual([
      [ONE, true],
      [TWO, false],
    ]);
    expect(strayFiles).toEqual([]);
  });

  it('finds files that no disk uses', () =>
    expect(survey([diskOf(ONE)], [fileOf(`pool/csi/${ONE}.img`), fileOf(`pool/csi/a/${TWO}.img`)]).strayFiles).toEqual([
      { volumeId: TWO, path: `/pool/csi/a/${TWO}.img`, sizeBytes: 1_024n },
    ]));

  it('finds none that a disk in any other slot uses', () => {
    const foreign = { slot: 'backup', 'file-path': `/pool/csi/${TWO}.img` };
    expect(survey([foreign], [fileOf(`pool/csi/${TWO}.img`)])).toEqual({ volumes: [], strayFiles: [] });
  });

  it.each([
    ['in a snapshot', { name: 'monday', parent: 'csi', 'read-only': false }],
    ['in what was received', { name: 'monday', parent: '', 'read-only': true }],
  ])('finds no copies: %s', (_fact, subvolume) =>
    expect(survey([], [fileOf(`pool/csi/monday/${TWO}.img`)], [subvolume]).strayFiles).toEqual([]),
  );

  it.each(['pool/other/NAME.img', 'pool/csi/NAME.img.part', 'pool/csi/../NAME.img', 'pool/csi/snap-1.img'])(
    'knows no file %s',
    (name) => expect(survey([], [fileOf(name.replace('NAME', TWO ?? ''))]).strayFiles).toEqual([]),
  );

  it('is no answer if a row was lost', () => {
    const stdout = JSON.stringify({
      disks: [],
      disksCount: 1,
      files: [],
      filesCount: 0,
      users: [],
      usersCount: 0,
      subvolumes: [],
      subvolumesCount: 0,
    });
    expect(() => parseSurveyAnswer({ stdout, stderr: '' }, roots)).toThrow(/disks/);
  });
});
