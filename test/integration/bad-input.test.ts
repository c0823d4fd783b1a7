import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, startDriver } from '../kit/driver';
import { blockOf, createOf, GIB, mountOf, newName, publishOf } from '../kit/requests';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver();
});

afterAll(async () => {
  await driver.stop();
});

const MARK = 'hostile';
/** Each holds the mark, so that the simulator's log shows whether anything of it came through. */
const HOSTILE = ['"', '$', '[', ';', '\n', '\u0000', '/../', '\\', '?', '{', ' '].map(
  (text) => `${MARK}${text}${MARK}`,
);

/** Every parameter of a StorageClass whose value is looked at. */
const PARAMETERS = [
  'volumePath',
  'nvmeAddress',
  'nvmePort',
  'nqnPrefix',
  'mkfsOptions',
  'ctrlLossTmo',
  'reconnectDelay',
  'keepAliveTmo',
  'migrationTimeoutSeconds',
  'csi.storage.k8s.io/fstype',
  'csi.storage.k8s.io/pvc/name',
  'csi.storage.k8s.io/pvc/namespace',
  'csi.storage.k8s.io/pv/name',
];

describe('bad input over gRPC', () => {
  const { INVALID_ARGUMENT, OUT_OF_RANGE } = status;
  const mount = (fsType: string, mountFlags: string[] = []) => ({
    ...mountOf(),
    accessType: { $case: 'mount', value: { fsType, mountFlags, volumeMountGroup: '' } } as const,
  });
  const inGroup = (volumeMountGroup: string) => ({
    ...mountOf(),
    accessType: { $case: 'mount', value: { fsType: 'ext4', mountFlags: [], volumeMountGroup } } as const,
  });
  const create = (partial: object) => errorOf(driver.csi.createVolume({ ...createOf(newName()), ...partial }));

  it.each<[string, object, status, string]>([
    ['no name', { name: '' }, INVALID_ARGUMENT, 'name'],
    ['a name of 129 bytes', { name: 'x'.repeat(129) }, INVALID_ARGUMENT, 'name'],
    ['a control character in the name', { name: 'a\u0007' }, INVALID_ARGUMENT, 'name'],
    ['no capability', { volumeCapabilities: [] }, INVALID_ARGUMENT, 'volume_capabilities'],
    ['a file system that is not served', { volumeCapabilities: [mount('zfs')] }, INVALID_ARGUMENT, 'fs_type'],
    ['a mount flag that escapes', { volumeCapabilities: [mount('ext4', ['suid'])] }, INVALID_ARGUMENT, 'mount_flags'],
    [
      'many writers on a file system',
      { volumeCapabilities: [mountOf(Mode.MULTI_NODE_MULTI_WRITER)] },
      INVALID_ARGUMENT,
      'access_mode',
    ],
    [
      'one writer among many nodes',
      { volumeCapabilities: [blockOf(Mode.MULTI_NODE_SINGLE_WRITER)] },
      INVALID_ARGUMENT,
      'access_mode',
    ],
    ['a size of zero', { capacityRange: { requiredBytes: 0n } }, INVALID_ARGUMENT, 'capacity_range'],
    ['a negative size', { capacityRange: { requiredBytes: -GIB } }, INVALID_ARGUMENT, 'required_bytes'],
    ['an absurd size', { capacityRange: { requiredBytes: 2n ** 62n } }, OUT_OF_RANGE, 'required_bytes'],
    [
      'a limit below what is required',
      { capacityRange: { requiredBytes: 2n * GIB, limitBytes: GIB } },
      INVALID_ARGUMENT,
      'limit_bytes',
    ],
    ['an unknown parameter', { parameters: { volumePaht: 'x' } }, INVALID_ARGUMENT, 'volumePaht'],
    ['a path outside the roots', { parameters: { volumePath: '/storage-pool/other' } }, INVALID_ARGUMENT, 'volumePath'],
    ['a map above 4 KiB', { parameters: { volumePath: 'x'.repeat(4096) } }, INVALID_ARGUMENT, 'parameters'],
  ])('%s', async (_fact, partial, code, field) => {
    const error = await create(partial);
    expect([status[error.code], error.details]).toEqual([status[code], expect.stringContaining(field)]);
  });

  it('in any string field gets an answer of its own, and nothing of it reaches RouterOS', async () => {
    const { csi, rds } = driver;
    const name = newName();
    await csi.createVolume(createOf(name));
    const calls = HOSTILE.flatMap((text) => [
      ...PARAMETERS.flatMap((key) => [
        csi.createVolume({ ...createOf(newName()), parameters: { [key]: text } }),
        ...(key === 'mkfsOptions' ? [] : [csi.getCapacity({ parameters: { [key]: text } })]),
      ]),
      csi.createVolume({ ...createOf(newName()), parameters: { [text]: text } }),
      csi.createVolume({ ...createOf(newName()), mutableParameters: { [text]: text } }),
      ...[mount(text), mount('ext4', [text]), inGroup(text)].flatMap((volumeCapability) => [
        csi.createVolume({ ...createOf(newName()), volumeCapabilities: [volumeCapability] }),
        csi.publishVolume({ ...publishOf(name, 'node-a'), volumeCapability }),
        csi.expandVolume({ volumeId: name, capacityRange: { requiredBytes: GIB }, volumeCapability }),
      ]),
      csi.deleteVolume({ volumeId: text }),
      csi.publishVolume(publishOf(text, 'node-a')),
      csi.publishVolume(publishOf(name, text)),
      csi.unpublishVolume({ volumeId: text, nodeId: 'node-a' }),
      csi.unpublishVolume({ volumeId: name, nodeId: text }),
      csi.expandVolume({ volumeId: text, capacityRange: { requiredBytes: GIB } }),
      csi.getVolume({ volumeId: text }),
      csi.validate({ volumeId: text, volumeCapabilities: [mountOf()] }),
      csi.getCapacity({ parameters: { [text]: text } }),
    ]);
    const before = (await rds.scripts()).length;
    const errors = await Promise.all(calls.map((call) => errorOf(call)));
    expect(new Set(errors.map(({ code }) => status[code]))).toEqual(new Set(['INVALID_ARGUMENT']));
    expect((await rds.scripts()).length).toBe(before);
    for (const startingToken of HOSTILE) {
      expect((await errorOf(csi.listVolumes({ startingToken }))).code).toBe(status.ABORTED);
    }
    const sent = (await rds.scripts()).slice(before);
    expect(sent.filter(({ script }) => script.includes(MARK))).toEqual([]);
  });

  it('that is asked about is answered without it, and is not confirmed', async () => {
    const { csi, rds } = driver;
    const name = newName();
    await csi.createVolume(createOf(name));
    const asked = { volumeId: name, volumeCapabilities: [mountOf()] };
    const before = (await rds.scripts()).length;
    for (const text of HOSTILE) {
      const replies = await Promise.all([
        ...PARAMETERS.filter((key) => key !== 'mkfsOptions').map((key) =>
          csi.validate({ ...asked, parameters: { [key]: text } }),
        ),
        ...['nqn', 'nvmePort', 'volumePath'].map((key) => csi.validate({ ...asked, volumeContext: { [key]: text } })),
        csi.validate({ ...asked, parameters: { [text]: text } }),
        csi.validate({ ...asked, volumeCapabilities: [mount(text)] }),
        csi.validate({ ...asked, volumeCapabilities: [mount('ext4', [text])] }),
      ]);
      for (const { confirmed, message } of replies)
        expect([confirmed, message]).toEqual([undefined, expect.any(String)]);
      expect((await csi.getCapacity({ volumeCapabilities: [mount(text)] })).availableCapacity).toBe(0n);
    }
    const sent = (await rds.scripts()).slice(before);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter(({ script }) => script.includes(MARK))).toEqual([]);
  });

  it('where any text may stand is taken, and nothing of it reaches RouterOS', async () => {
    const { csi, rds } = driver;
    const before = (await rds.scripts()).length;
    for (const text of HOSTILE) {
      // A name may be any text without control characters: it is hashed. Keys of the sidecars that are not known are theirs.
      const named = /\p{Cc}/u.test(text) ? newName() : text;
      const parameters = { [`csi.storage.k8s.io/${text}`]: text };
      const topology = { segments: { [text]: text } };
      const { volume } = await csi.createVolume({
        ...createOf(named),
        parameters,
        secrets: { [text]: text },
        accessibilityRequirements: { requisite: [topology], preferred: [topology] },
      });
      const volumeId = volume?.volumeId ?? '';
      expect(volumeId).toMatch(/^pvc-[0-9a-f-]{36}$/);
      // What is passed through to nodes is not for the RDS.
      await csi.publishVolume({
        ...publishOf(volumeId, 'node-a'),
        volumeContext: { nqn: text, [text]: text },
        secrets: { [text]: text },
      });
      await csi.unpublishVolume({ volumeId, nodeId: 'node-a', secrets: { [text]: text } });
      const capacityRange = { requiredBytes: 2n * GIB };
      await csi.expandVolume({ volumeId, capacityRange, secrets: { [text]: text } });
      await csi.deleteVolume({ volumeId, secrets: { [text]: text } });
    }
    const sent = (await rds.scripts()).slice(before);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter(({ script }) => script.includes(MARK))).toEqual([]);
  });

  it.each([
    '.',
    '..',
    '../..',
    'storage-pool/metal-csi/..',
    '/storage-pool/metal-csi/..',
    '/storage-pool/metal-csi/../x',
  ])('as the path %j climbs nowhere', async (text) => {
    const { csi, rds } = driver;
    const before = (await rds.scripts()).length;
    const errors = await Promise.all(
      [
        csi.createVolume({ ...createOf(newName()), parameters: { volumePath: text } }),
        csi.getCapacity({ parameters: { volumePath: text } }),
        csi.publishVolume(publishOf(newName(), text)),
        csi.unpublishVolume({ volumeId: newName(), nodeId: text }),
      ].map((call) => errorOf(call)),
    );
    expect(new Set(errors.map(({ code }) => status[code]))).toEqual(new Set(['INVALID_ARGUMENT']));
    // An ID of dots and letters is well-formed, and that of no volume.
    const publish = await errorOf(csi.publishVolume(publishOf(text, 'node-a')));
    expect(['NOT_FOUND', 'INVALID_ARGUMENT']).toContain(status[publish.code]);
    expect((await rds.scripts()).length).toBe(before);
  });
});
