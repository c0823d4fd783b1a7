import type { SubsystemNqn } from '../domain/nqn';
import type { StorageClassParameters } from '../domain/parameters';

interface VolumeContextInput {
  readonly nqn: SubsystemNqn;
  /** Address of the RDS's SSH, as in the PersistentVolumes of older drivers. */
  readonly rdsAddress: string;
  readonly parameters: StorageClassParameters;
}

/**
 * What a node needs to know of a volume to connect it; kept by Kubernetes in the PersistentVolume. The keys are those of the
 * existing Go driver, so that its volumes keep working; `mkfsOptions` is this driver's own and is there only if it was given.
 */
export function volumeContextOf({ nqn, rdsAddress, parameters }: VolumeContextInput): Record<string, string> {
  const { volumePath, nvmeAddress, nvmePort, ctrlLossTmo, reconnectDelay, keepAliveTmo, mkfsOptions } = parameters;
  return {
    nqn,
    rdsAddress,
    nvmeAddress,
    nvmePort: String(nvmePort),
    volumePath,
    ctrlLossTmo: String(ctrlLossTmo),
    reconnectDelay: String(reconnectDelay),
    ...(keepAliveTmo === undefined ? {} : { keepAliveTmo: String(keepAliveTmo) }),
    ...(mkfsOptions === undefined ? {} : { mkfsOptions }),
    migrationTimeoutSeconds: String(parameters.migrationTimeoutSeconds),
  };
}
