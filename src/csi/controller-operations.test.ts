import { describe, expect, it } from '@jest/globals';
import { parseNqnPrefix } from '../domain/nqn';
import { parseClusterId } from '../domain/record';
import { parseVolumePath } from '../domain/volume-path';
import { parseCreate, parseDelete, parseExpand, parsePublish, parseUnpublish } from './controller-operations';
import {
  ControllerExpandVolumeRequest,
  ControllerPublishVolumeRequest,
  ControllerUnpublishVolumeRequest,
  CreateVolumeRequest,
  type DeepPartial,
  DeleteVolumeRequest,
  VolumeCapability_AccessMode_Mode as Mode,
} from './generated/csi';

const options = {
  clusterId: parseClusterId('c1', 'clusterId'),
  rdsAddress: '10.0.0.1',
  defaults: {
    volumePaths: [parseVolumePath('/storage-pool/metal-csi', 'volumePaths')],
    nvmeAddress: '10.0.1.1',
    nvmePort: 4420,
    nqnPrefix: parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix'),
  },
};

const volumeId = 'pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11';
const mount = { $case: 'mount', value: { fsType: '', mountFlags: [], volumeMountGroup: '' } } as const;
const block = { $case: 'block', value: {} } as const;
const capability = { accessType: mount, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
/** What must never get anywhere, in any string field. */
const HOSTILE = ['"', '$x', '[:put 1]', 'a;b', 'a\nb', 'a\u0000b', '../x', 'a b', 'ä'];

const create = (partial: DeepPartial<CreateVolumeRequest>) =>
  parseCreate(
    CreateVolumeRequest.fromPartial({ name: volumeId, volumeCapabilities: [capability], ...partial }),
    options,
  );
const publish = (partial: DeepPartial<ControllerPublishVolumeRequest>) =>
  parsePublish(
    ControllerPublishVolumeRequest.fromPartial({ volumeId, nodeId: 'n1', volumeCapability: capability, ...partial }),
    options,
  );
const unpublish = (partial: DeepPartial<ControllerUnpublishVolumeRequest>) =>
  parseUnpublish(ControllerUnpublishVolumeRequest.fromPartial({ volumeId, nodeId: 'n1', ...partial }), options);
const remove = (id: string) => parseDelete(DeleteVolumeRequest.fromPartial({ volumeId: id }), options);
const expand = (partial: DeepPartial<ControllerExpandVolumeRequest>) =>
  parseExpand(
    ControllerExpandVolumeRequest.fromPartial({ volumeId, capacityRange: { requiredBytes: 2n ** 30n }, ...partial }),
    options,
  );

const fault = (kind: string, ...words: string[]) =>
  expect.objectContaining({ kind, message: expect.stringMatching(words.map((word) => `(?=.*${word})`).join('')) });

describe('parseCreate', () => {
  it('derives everything from the name, the parameters and the configuration', () => {
    const parameters = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/pvc/namespace': 'shop' };
    const { operation, volumeContext } = create({ parameters, capacityRange: { requiredBytes: 10_000_000_001n } });
    expect(operation).toEqual({
      name: 'createVolume',
      volumeId,
      workflowId: `volume/${volumeId}`,
      nodeId: undefined,
      input: {
        volumeId,
        sizeBytes: String(9537n * 2n ** 20n),
        volumePath: '/storage-pool/metal-csi',
        nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
        nvmePort: 4420,
        clusterId: 'c1',
        claim: { namespace: 'shop', name: 'data' },
      },
      summary: 'create 9537 MiB for shop/data',
    });
    expect(volumeContext).toEqual({
      nqn: `nqn.2000-02.com.mikrotik:${volumeId}`,
      rdsAddress: '10.0.0.1',
      nvmeAddress: '10.0.1.1',
      nvmePort: '4420',
      volumePath: '/storage-pool/metal-csi',
      ctrlLossTmo: '-1',
      reconnectDelay: '5',
      migrationTimeoutSeconds: '300',
    });
  });

  it.each([
    ['1.5 TiB', 1_649_267_441_664n, 1_649_267_441_664n],
    ['2.5 GiB', 2_684_354_560n, 2_684_354_560n],
    ['one byte over', 2_684_354_561n, 2_685_403_136n],
    ['one byte', 1n, 1_048_576n],
  ])('rounds %s up to whole MiB', (_fact, requiredBytes, sizeBytes) => {
    expect(create({ capacityRange: { requiredBytes } }).operation.input.sizeBytes).toBe(String(sizeBytes));
  });

  it('hashes a name that is no volume ID: none of its characters goes further', () => {
    for (const name of HOSTILE.filter((text) => !/\p{Cc}/u.test(text))) {
      expect(JSON.stringify(create({ name }).operation)).not.toContain(JSON.stringify(name).slice(1, -1));
    }
    expect(create({ name: 'x'.repeat(128) }).operation.volumeId).toMatch(/^pvc-[0-9a-f-]{36}$/);
  });

  it.each<[string, DeepPartial<CreateVolumeRequest>, string, string]>([
    ['no name', { name: '' }, 'InvalidArgument', 'name'],
    ['a name of 129 bytes', { name: 'x'.repeat(129) }, 'InvalidArgument', 'name'],
    ['a name with a newline', { name: 'a\nb' }, 'InvalidArgument', 'name'],
    ['no capabilities', { volumeCapabilities: [] }, 'InvalidArgument', 'volume_capabilities'],
    [
      'a mode that is not served',
      { volumeCapabilities: [{ accessType: mount, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }] },
      'InvalidArgument',
      'access_mode',
    ],
    [
      'a mode of the future',
      { volumeCapabilities: [{ accessType: block, accessMode: { mode: 99 as Mode } }] },
      'InvalidArgument',
      'access_mode',
    ],
    ['no mode', { volumeCapabilities: [{ accessType: block }] }, 'InvalidArgument', 'access_mode'],
    [
      'neither block nor mount',
      { volumeCapabilities: [{ accessMode: { mode: Mode.SINGLE_NODE_WRITER } }] },
      'InvalidArgument',
      'access_type',
    ],
    [
      'an unknown file system',
      {
        volumeCapabilities: [
          {
            ...capability,
            accessType: { $case: 'mount', value: { fsType: 'ntfs', mountFlags: [], volumeMountGroup: '' } },
          },
        ],
      },
      'InvalidArgument',
      'fs_type',
    ],
    ['a size of zero', { capacityRange: { requiredBytes: 0n } }, 'InvalidArgument', 'capacity_range'],
    ['a negative size', { capacityRange: { requiredBytes: -1n } }, 'InvalidArgument', 'required_bytes'],
    ['an absurd size', { capacityRange: { requiredBytes: 2n ** 62n } }, 'SizeOutOfRange', 'required_bytes'],
    [
      'a limit below what is required',
      { capacityRange: { requiredBytes: 2n ** 31n, limitBytes: 2n ** 30n } },
      'InvalidArgument',
      'limit_bytes',
    ],
    [
      'a limit that no whole MiB meets',
      { capacityRange: { requiredBytes: 2n ** 30n + 1n, limitBytes: 2n ** 30n + 2n } },
      'SizeOutOfRange',
      'limit_bytes',
    ],
    ['an unknown parameter', { parameters: { volumePaht: '/x' } }, 'InvalidArgument', 'volumePaht'],
    [
      'options of mkfs that name another device',
      { parameters: { mkfsOptions: '-J device=/dev/sda' } },
      'InvalidArgument',
      'parameters.mkfsOptions',
    ],
    ['a large map', { parameters: { mkfsOptions: 'x'.repeat(4097) } }, 'InvalidArgument', 'parameters'],
    ['mutable parameters', { mutableParameters: { a: 'b' } }, 'InvalidArgument', 'mutable_parameters'],
    [
      'a source',
      { volumeContentSource: { type: { $case: 'volume', value: { volumeId } } } },
      'InvalidArgument',
      'volume_content_source',
    ],
  ])('refuses %s', (_fact, partial, kind, field) => {
    expect(() => create(partial)).toThrow(fault(kind, field));
  });

  it.each(['volumePath', 'nvmeAddress', 'nvmePort', 'nqnPrefix', 'csi.storage.k8s.io/pvc/name'])(
    'refuses everything hostile in parameters.%s',
    (key) => {
      for (const text of HOSTILE) {
        expect(() => create({ parameters: { [key]: text } })).toThrow(fault('InvalidArgument', `parameters.${key}`));
      }
    },
  );

  it('refuses a path beside the roots that begins like one', () => {
    const parameters = { volumePath: '/storage-pool/metal-csi-other' };
    expect(() => create({ parameters })).toThrow(fault('InvalidArgument', 'volumePath'));
  });
});

describe('parsePublish', () => {
  it('takes the node, the mode and whether it is read-only', () => {
    expect(publish({ readonly: true }).input).toEqual({
      volumeId,
      clusterId: 'c1',
      attachment: { nodeId: 'n1', accessMode: 'single-node-writer', readOnly: true, content: 'ext4' },
    });
  });

  it.each([
    ['the file system', { ...mount, value: { ...mount.value, fsType: 'xfs' } }, 'xfs'],
    ['ext4 where none is named', { ...mount, value: { ...mount.value, fsType: '' } }, 'ext4'],
    ['raw block', block, 'block'],
  ])('takes what is on it: %s', (_fact, accessType, content) => {
    expect(publish({ volumeCapability: { ...capability, accessType } }).input.attachment.content).toBe(content);
  });

  it.each<[string, Record<string, string>, number | undefined]>([
    ['as its StorageClass said', { migrationTimeoutSeconds: '600' }, 600],
    ['clamped', { migrationTimeoutSeconds: '1' }, 30],
    ['not at all where nothing is said', {}, undefined],
  ])('takes how long two nodes may have raw block: %s', (_fact, volumeContext, seconds) => {
    const volumeCapability = { accessType: block, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } };
    expect(publish({ volumeCapability, volumeContext }).input.migrationTimeoutSeconds).toBe(seconds);
    expect(publish({ volumeContext }).input).not.toHaveProperty('migrationTimeoutSeconds');
  });

  it('refuses a time that is none, of a volume that two nodes may have', () => {
    const volumeCapability = { accessType: block, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } };
    for (const text of ['', 'soon', '-1', '1.5', '99999999999']) {
      expect(() => publish({ volumeCapability, volumeContext: { migrationTimeoutSeconds: text } })).toThrow(
        fault('InvalidArgument', 'volume_context.migrationTimeoutSeconds'),
      );
    }
  });

  it('is read-only for a reader mode, whatever the flag says', () => {
    const volumeCapability = { accessType: block, accessMode: { mode: Mode.MULTI_NODE_READER_ONLY } };
    expect(publish({ volumeCapability }).input.attachment.readOnly).toBe(true);
  });

  it.each<[string, DeepPartial<ControllerPublishVolumeRequest>, string, string]>([
    ['no volume', { volumeId: '' }, 'InvalidArgument', 'volume_id'],
    ['a volume that is no ID of ours', { volumeId: 'another' }, 'VolumeNotFound', 'another'],
    ['no node', { nodeId: '' }, 'InvalidArgument', 'node_id'],
    ['no capability', { volumeCapability: undefined }, 'InvalidArgument', 'volume_capability'],
    ['a large context', { volumeContext: { nqn: 'x'.repeat(5000) } }, 'InvalidArgument', 'volume_context'],
  ])('refuses %s', (_fact, partial, kind, words) => {
    expect(() => publish(partial)).toThrow(fault(kind, words));
  });
});

describe('every ID of a request', () => {
  it.each<[string, (text: string) => unknown, string]>([
    ['DeleteVolume.volume_id', (text) => remove(text), 'volume_id'],
    ['ControllerPublish.volume_id', (text) => publish({ volumeId: text }), 'volume_id'],
    ['ControllerPublish.node_id', (text) => publish({ nodeId: text }), 'node_id'],
    ['ControllerUnpublish.volume_id', (text) => unpublish({ volumeId: text }), 'volume_id'],
    ['ControllerUnpublish.node_id', (text) => unpublish({ nodeId: text }), 'node_id'],
    ['ControllerExpand.volume_id', (text) => expand({ volumeId: text }), 'volume_id'],
  ])('%s refuses everything hostile', (_fact, parse, field) => {
    for (const text of HOSTILE) expect(() => parse(text)).toThrow(fault('InvalidArgument', field));
    expect(() => parse('x'.repeat(254))).toThrow(fault('InvalidArgument', field));
  });
});

describe('what was never there', () => {
  it('is deleted and detached already', () => {
    expect(remove('another')).toBeUndefined();
    expect(unpublish({ volumeId: 'another' })).toBeUndefined();
  });
});

describe('parseUnpublish', () => {
  it('without a node is about all of them', () => {
    expect(unpublish({ nodeId: '' })).toMatchObject({ nodeId: undefined, input: { volumeId, clusterId: 'c1' } });
  });
});

describe('parseExpand', () => {
  it.each([
    ['a mounted volume', { volumeCapability: capability }, true],
    ['a volume of which nothing is said', {}, true],
    ['a block volume', { volumeCapability: { ...capability, accessType: block } }, false],
  ])('asks for node expansion of %s: %s, of this cluster', (_fact, partial, nodeExpansionRequired) => {
    expect(expand(partial)).toMatchObject({ operation: { input: { clusterId: 'c1' } }, nodeExpansionRequired });
  });

  it.each<[string, DeepPartial<ControllerExpandVolumeRequest>, string, string]>([
    ['no range', { capacityRange: undefined }, 'InvalidArgument', 'capacity_range'],
    ['a size of zero', { capacityRange: { requiredBytes: 0n, limitBytes: 1n } }, 'InvalidArgument', 'required_bytes'],
    ['a negative size', { capacityRange: { requiredBytes: -5n } }, 'InvalidArgument', 'required_bytes'],
    ['an absurd size', { capacityRange: { requiredBytes: 2n ** 60n } }, 'SizeOutOfRange', 'required_bytes'],
  ])('refuses %s', (_fact, partial, kind, field) => {
    expect(() => expand(partial)).toThrow(fault(kind, field));
  });
});
