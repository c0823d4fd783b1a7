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

describe('bad input over gRPC', () => {
  const { INVALID_ARGUMENT, OUT_OF_RANGE } = status;
  const mount = (fsType: string, mountFlags: string[] = []) => ({
    ...mountOf(),
    accessType: { $case: 'mount', value: { fsType, mountFlags, volumeMountGroup: '' } } as const,
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
      ...['volumePath', 'nvmeAddress', 'nvmePort', 'nqnPrefix', text].map((key) =>
        csi.createVolume({ ...createOf(newName()), parameters: { [key]: text } }),
      ),
      csi.createVolume({ ...createOf(newName()), volumeCapabilities: [mount(text)] }),
      csi.createVolume({ ...createOf(newName()), volumeCapabilities: [mount('ext4', [text])] }),
      csi.createVolume({ ...createOf(newName()), parameters: { 'csi.storage.k8s.io/pvc/name': text } }),
      csi.deleteVolume({ volumeId: text }),
      csi.publishVolume(publishOf(text, 'node-a')),
      csi.publishVolume(publishOf(name, text)),
      csi.unpublishVolume({ volumeId: text, nodeId: 'node-a' }),
      csi.unpublishVolume({ volumeId: name, nodeId: text }),
      csi.expandVolume({ volumeId: text, capacityRange: { requiredBytes: GIB } }),
      csi.getVolume({ volumeId: text }),
      csi.validate({ volumeId: text, volumeCapabilities: [mountOf()] }),
      csi.getCapacity({ parameters: { volumePath: text } }),
    ]);
    const before = (await rds.scripts()).length;
    const errors = await Promise.all(calls.map((call) => errorOf(call)));
    expect(new Set(errors.map(({ code }) => status[code]))).toEqual(new Set(['INVALID_ARGUMENT']));
    expect((await errorOf(csi.listVolumes({ startingToken: `${MARK}"` }))).code).toBe(status.ABORTED);
    // A name may be any text: it is hashed.
    for (const text of HOSTILE.filter((hostile) => !/\p{Cc}/u.test(hostile))) {
      const { volume } = await csi.createVolume({ ...createOf(text), secrets: { [text]: text } });
      expect(volume?.volumeId).toMatch(/^pvc-[0-9a-f-]{36}$/);
    }
    // What is passed through to nodes is not for the RDS.
    await csi.publishVolume({ ...publishOf(name, 'node-a'), volumeContext: { nqn: HOSTILE[0] ?? '' } });
    const sent = (await rds.scripts()).slice(before);
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.filter(({ script }) => script.includes(MARK))).toEqual([]);
  });
});
