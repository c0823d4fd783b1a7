import type { Fencing } from '../domain/export';
import { createControllerChanges } from './controller-changes';
import type { ControllerOptions } from './controller-operations';
import { createControllerReads, type VolumeReader } from './controller-reads';
import { ControllerServiceCapability_RPC_Type as Capability, type ControllerServer } from './generated/csi';
import type { RunOperation } from './operations';
import { type UnaryScope, unary } from './unary';

/** What is declared is served; what is not declared answers UNIMPLEMENTED by itself. */
const CAPABILITIES = [
  Capability.CREATE_DELETE_VOLUME,
  Capability.PUBLISH_UNPUBLISH_VOLUME,
  Capability.PUBLISH_READONLY,
  Capability.EXPAND_VOLUME,
  Capability.LIST_VOLUMES,
  Capability.LIST_VOLUMES_PUBLISHED_NODES,
  Capability.GET_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.GET_CAPACITY,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

interface ControllerServiceOptions extends ControllerOptions {
  readonly fencing: Fencing;
  readonly run: RunOperation;
  readonly volumes: VolumeReader;
}

/** The RPCs that this driver serves; grpc-js answers UNIMPLEMENTED to the others of the service. */
type ServedRpc = Exclude<
  keyof { [Name in keyof ControllerServer as string extends Name ? never : Name]: unknown },
  'createSnapshot' | 'deleteSnapshot' | 'listSnapshots' | 'getSnapshot' | 'controllerModifyVolume'
>;

/** The CSI Controller service. */
export function createControllerService(
  options: ControllerServiceOptions,
  scope: UnaryScope,
): Pick<ControllerServer, ServedRpc> {
  const changes = createControllerChanges(options.run, options);
  const reads = createControllerReads(options);
  return {
    createVolume: unary(scope, 'CreateVolume', changes.createVolume),
    deleteVolume: unary(scope, 'DeleteVolume', changes.deleteVolume),
    controllerPublishVolume: unary(scope, 'ControllerPublishVolume', changes.controllerPublishVolume),
    controllerUnpublishVolume: unary(scope, 'ControllerUnpublishVolume', changes.controllerUnpublishVolume),
    controllerExpandVolume: unary(scope, 'ControllerExpandVolume', changes.controllerExpandVolume),
    controllerGetVolume: unary(scope, 'ControllerGetVolume', reads.controllerGetVolume),
    listVolumes: unary(scope, 'ListVolumes', reads.listVolumes),
    getCapacity: unary(scope, 'GetCapacity', reads.getCapacity),
    validateVolumeCapabilities: unary(scope, 'ValidateVolumeCapabilities', reads.validateVolumeCapabilities),
    controllerGetCapabilities: unary(scope, 'ControllerGetCapabilities', () => ({
      capabilities: CAPABILITIES.map((type) => ({ type: { $case: 'rpc', value: { type } } as const })),
    })),
  };
}
