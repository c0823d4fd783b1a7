import { describe, expect, it } from '@jest/globals';
import { type AccessMode, parseAccessMode } from './capability';
import { parseNodeId } from './nqn';
import { parseClusterId, type VolumeRecord } from './record';
import { parseBytes } from './size';
import { type ClusterView, takeStock } from './stock';
import type { Volume } from './volume';
import { parseVolumeId } from './volume-id';

const clusterId = parseClusterId('here', 'clusterId');
const idOf = (number: number) => parseVolumeId(`pvc-00000000-0000-4000-8000-${number.toString().padStart(12, '0')}`);
const [ONE, TWO] = [idOf(1), idOf(2)];
const mode: AccessMode = parseAccessMode('single-node-writer', 'mode');
const held = (nodeId: string) => ({
  nodeId: parseNodeId(nodeId, 'node_id'),
  accessMode: mode,
  readOnly: false,
  content: 'ext4' as const,
});

const recordOf = (...nodeIds: string[]): VolumeRecord => ({
  clusterId,
  claim: { namespace: 'default', name: 'data' },
  attachments: nodeIds.map(held),
});

const volumeOf = (volumeId = ONE, change: Partial<Volume> = {}): Volume => ({
  volumeId,
  sizeBytes: parseBytes(1024n, 'size'),
  filePath: `/pool/csi/${volumeId}.img`,
  nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
  nvmePort: 4420,
  exported: true,
  allowedHost: '',
  fileExists: true,
  comment: '',
  record: recordOf(),
  recordProblem: undefined,
  ...change,
});

const cluster = (change: Partial<ClusterView> = {}): ClusterView => ({
  nodes: [{ nodeId: 'a' }, { nodeId: 'b' }],
  attachments: [],
  volumes: [{ name: 'pv-1', volumeId: ONE }],
  ...change,
});

const findings = (volumes: readonly Volume[], view: ClusterView | undefined = cluster()) =>
  takeStock(clusterId, { volumes, strayFiles: [] }, view);

const NOTHING = { staleAttachments: [], missingExports: [], orphans: [], lostVolumes: [], problems: [] };

describe('takeStock', () => {
  it('finds nothing where all is well', () => {
    const view = cluster({ attachments: [{ volumeId: ONE, nodeId: 'a' }] });
    expect(findings([volumeOf(ONE, { record: recordOf('a') })], view)).toEqual(NOTHING);
  });

  it.each<[string, Partial<ClusterView>, readonly string[]]>([
    ['backed', { attachments: [{ volumeId: ONE, nodeId: 'a' }] }, []],
    ['not backed', {}, ['no-attachment']],
    ['backed on another node', { attachments: [{ volumeId: ONE, nodeId: 'b' }] }, ['no-attachment']],
    ['another volume backed', { attachments: [{ volumeId: TWO, nodeId: 'a' }] }, ['no-attachment']],
    ['one that may be about it', { attachments: [{ volumeId: undefined, nodeId: 'a' }] }, []],
    ['one that may be about it, elsewhere', { attachments: [{ volumeId: undefined, nodeId: 'b' }] }, ['no-attachment']],
    [
      'backed, the node gone',
      { nodes: [{ nodeId: 'b' }], attachments: [{ volumeId: ONE, nodeId: 'a' }] },
      ['node-deleted'],
    ],
  ])('an attachment: %s', (_fact, change, why) =>
    expect(findings([volumeOf(ONE, { record: recordOf('a') })], cluster(change)).staleAttachments).toEqual(
      why.map((each) => ({ volumeId: ONE, nodeId: 'a', why: each })),
    ),
  );

  it('judges each node of a volume by itself', () => {
    const view = cluster({ attachments: [{ volumeId: ONE, nodeId: 'a' }] });
    expect(findings([volumeOf(ONE, { record: recordOf('a', 'b', 'c') })], view).staleAttachments).toEqual([
      { volumeId: ONE, nodeId: 'b', why: 'no-attachment' },
      { volumeId: ONE, nodeId: 'c', why: 'node-deleted' },
    ]);
  });

  it.each([
    ['of another cluster', { ...recordOf('gone'), clusterId: parseClusterId('there', 'clusterId') }],
    ['without a record', undefined],
  ])('leaves alone what is %s: its attachments, its export, its missing file and PersistentVolume', (_fact, record) =>
    expect(findings([volumeOf(TWO, { record, exported: false, fileExists: false })], cluster({ volumes: [] }))).toEqual(
      NOTHING,
    ),
  );

  it.each([
    ['attached and not exported', { exported: false, record: recordOf('a') }, [ONE]],
    ['attached and exported', { record: recordOf('a') }, []],
    ['exported to nobody', { exported: false }, []],
  ])('an export: %s', (_fact, change, missing) =>
    expect(findings([volumeOf(ONE, change)]).missingExports).toEqual(missing),
  );

  it('finds disks that no PersistentVolume is about, with what a person needs to know of them', () =>
    expect(findings([volumeOf(TWO)], cluster({ volumes: [] })).orphans).toEqual([
      {
        kind: 'disk',
        volumeId: TWO,
        path: `/pool/csi/${TWO}.img`,
        sizeBytes: '1024',
        claim: { namespace: 'default', name: 'data' },
      },
    ]));

  it('finds disks whose file is gone, and that the PersistentVolume has lost its data', () => {
    const { orphans, lostVolumes } = findings([volumeOf(ONE, { fileExists: false })]);
    expect(orphans.map(({ kind }) => kind)).toEqual(['disk-without-file']);
    expect(lostVolumes).toEqual([{ name: 'pv-1', volumeId: ONE, why: 'no-file' }]);
  });

  it('does not take a file that was not looked for to be gone', () =>
    expect(findings([volumeOf(ONE, { fileExists: undefined })])).toEqual(NOTHING));

  it('finds PersistentVolumes without a disk', () =>
    expect(findings([]).lostVolumes).toEqual([{ name: 'pv-1', volumeId: ONE, why: 'no-disk' }]));

  it('finds files without a disk', () => {
    const file = { volumeId: TWO, path: `/pool/csi/${TWO}.img`, sizeBytes: parseBytes(5n, 'size') };
    expect(takeStock(clusterId, { volumes: [], strayFiles: [file] }, undefined).orphans).toEqual([
      { kind: 'file', volumeId: TWO, path: file.path, sizeBytes: '5' },
    ]);
  });

  it('judges without Kubernetes what the RDS alone can tell', () => {
    const volumes = [
      volumeOf(ONE, { record: recordOf('gone'), exported: false }),
      volumeOf(TWO, { fileExists: false }),
    ];
    const { orphans, ...others } = takeStock(clusterId, { volumes, strayFiles: [] }, undefined);
    expect(orphans.map(({ kind, volumeId }) => [kind, volumeId])).toEqual([['disk-without-file', TWO]]);
    expect(others).toEqual({ staleAttachments: [], missingExports: [ONE], lostVolumes: [], problems: [] });
  });

  it('says that nothing may be done while a record cannot be read, whoever’s it is', () =>
    expect(findings([volumeOf(TWO, { record: undefined, recordProblem: 'damaged' })]).problems).toEqual(['damaged']));

  it('says that nothing may be done where the cluster shows no node', () =>
    expect(findings([], cluster({ nodes: [] })).problems).toEqual(['the cluster shows no node at all']));
});
