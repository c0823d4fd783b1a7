import { randomUUID } from 'node:crypto';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';

/** Requests as the sidecars make them. */
export const newName = (): string => `pvc-${randomUUID()}`;

export const GIB = 2n ** 30n;

export const mountOf = (mode: Mode = Mode.SINGLE_NODE_WRITER, fsType = 'ext4', mountFlags: string[] = []) => ({
  accessType: { $case: 'mount', value: { fsType, mountFlags, volumeMountGroup: '' } } as const,
  accessMode: { mode },
});

export const blockOf = (mode: Mode = Mode.SINGLE_NODE_WRITER) => ({
  accessType: { $case: 'block', value: {} } as const,
  accessMode: { mode },
});

export const createOf = (name: string, requiredBytes = GIB) => ({
  name,
  capacityRange: { requiredBytes },
  volumeCapabilities: [mountOf()],
});

export const publishOf = (
  volumeId: string,
  nodeId: string,
  volumeCapability: ReturnType<typeof mountOf> | ReturnType<typeof blockOf> = mountOf(),
) => ({
  volumeId,
  nodeId,
  volumeCapability,
});
