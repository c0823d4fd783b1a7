import type { DisksPort } from '../../src/adapters/routeros/port';
import type { ExportChange } from '../../src/domain/export';
import { formatRecord } from '../../src/domain/record';
import { GIB, parseBytes } from '../../src/domain/size';
import type { StrayFile } from '../../src/domain/stock';
import type { Volume } from '../../src/domain/volume';
import { filePathOf } from '../../src/domain/volume-path';

/** What a test does to the RDS: called before each act, it may wait, or throw a Fault instead of the act. */
export type Trouble = (act: keyof DisksPort) => Promise<void> | void;

export interface FakeDisks extends DisksPort {
  /** What is there, by volume ID. */
  readonly volumes: Map<string, Volume>;
  /** The acts that were asked for, in order. */
  readonly acts: (keyof DisksPort)[];
  /** Backing files without a disk. */
  strayFiles: readonly StrayFile[];
  trouble: Trouble;
}

/** The volumes of an RDS in memory, as port.ts has them: for tests of what decides, not of what talks. */
export function createFakeDisks(): FakeDisks {
  const volumes = new Map<string, Volume>();
  const acts: (keyof DisksPort)[] = [];
  const act = async <T>(name: keyof DisksPort, effect: () => T): Promise<T> => {
    acts.push(name);
    await fake.trouble(name);
    return effect();
  };
  const change = (volumeId: string, changeOf: (volume: Volume) => Partial<Volume> | undefined): Volume | undefined => {
    const volume = volumes.get(volumeId);
    if (!volume) return undefined;
    const next = { ...volume, ...changeOf(volume) };
    volumes.set(volumeId, { ...next, comment: next.record ? formatRecord(next.record) : next.comment });
    return volumes.get(volumeId);
  };
  const fake: FakeDisks = {
    volumes,
    acts,
    strayFiles: [],
    trouble: () => undefined,
    create: (spec) =>
      act('create', () => {
        const { volumeId, sizeBytes, nqn, nvmePort, record } = spec;
        const filePath = filePathOf(spec.volumePath, volumeId);
        const comment = formatRecord(record);
        const made = {
          volumeId,
          sizeBytes,
          nqn,
          nvmePort,
          record,
          recordProblem: undefined,
          filePath,
          comment,
          exported: spec.exported,
          allowedHost: '',
          fileExists: true,
        };
        const volume = volumes.get(volumeId) ?? made;
        volumes.set(volumeId, volume);
        return volume;
      }),
    find: (volumeId) => act('find', () => volumes.get(volumeId)),
    survey: () => act('survey', () => ({ volumes: [...volumes.values()], strayFiles: [...fake.strayFiles] })),
    list: () => act('list', () => [...volumes.values()]),
    resize: (volumeId, sizeBytes, clusterId = volumes.get(volumeId)?.record?.clusterId) =>
      act('resize', () =>
        change(volumeId, (volume) =>
          sizeBytes > volume.sizeBytes && (!volume.record || volume.record.clusterId === clusterId)
            ? { sizeBytes: parseBytes(sizeBytes, 'sizeBytes') }
            : undefined,
        ),
      ),
    remove: (volumeId, clusterId) =>
      act('remove', () => {
        const record = volumes.get(volumeId)?.record;
        const removable = !record || (record.clusterId === clusterId && record.attachments.length === 0);
        if (removable) volumes.delete(volumeId);
        const volume = volumes.get(volumeId);
        return { volume, fileExists: volume !== undefined };
      }),
    attach: (volumeId, { clusterId, attachment, exportChange }) =>
      act('attach', () =>
        change(volumeId, ({ record }) =>
          record?.clusterId === clusterId && record.attachments.length === 0
            ? { record: { ...record, attachments: [attachment] }, ...exportOf(exportChange) }
            : undefined,
        ),
      ),
    detach: (volumeId, { clusterId, nodeId, exportChange }) =>
      act('detach', () =>
        change(volumeId, ({ record }) =>
          record?.clusterId === clusterId &&
          record.attachments.length === 1 &&
          record.attachments.every((held) => held.nodeId === nodeId)
            ? { record: { ...record, attachments: [] }, ...exportOf(exportChange) }
            : undefined,
        ),
      ),
    writeRecord: (volumeId, { expectedComment, record, exportChange }) =>
      act('writeRecord', () =>
        change(volumeId, ({ comment }) =>
          comment === expectedComment ? { record, ...exportOf(exportChange) } : undefined,
        ),
      ),
    pool: () =>
      act('pool', () => {
        const sizeBytes = parseBytes(100n * GIB, 'size');
        return { name: 'storage-pool', sizeBytes, freeBytes: sizeBytes };
      }),
  };
  return fake;
}

function exportOf({ wish }: ExportChange): Partial<Pick<Volume, 'exported' | 'allowedHost'>> {
  switch (wish.kind) {
    case 'as-it-is':
      return {};
    case 'on':
      return { exported: true };
    case 'any-host':
      return { exported: true, allowedHost: '' };
    case 'one-host':
      return { exported: true, allowedHost: wish.hostNqn };
    case 'off':
      break;
  }
  return { exported: false, allowedHost: '' };
}
