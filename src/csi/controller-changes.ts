import {
  type ControllerOptions,
  parseCreate,
  parseDelete,
  parseExpand,
  parsePublish,
  parseUnpublish,
} from './controller-operations';
import type {
  ControllerExpandVolumeRequest,
  ControllerExpandVolumeResponse,
  ControllerPublishVolumeRequest,
  ControllerPublishVolumeResponse,
  ControllerUnpublishVolumeRequest,
  ControllerUnpublishVolumeResponse,
  CreateVolumeRequest,
  CreateVolumeResponse,
  DeleteVolumeRequest,
  DeleteVolumeResponse,
} from './generated/csi';
import type { Patience, RunOperation } from './operations';

/** The RPCs that change a volume: each parses its request, starts or joins a workflow, and translates the answer. */
export function createControllerChanges(run: RunOperation, options: ControllerOptions) {
  return {
    createVolume: async (request: CreateVolumeRequest, patience: Patience): Promise<CreateVolumeResponse> => {
      const { operation, volumeContext } = parseCreate(request, options);
      const { sizeBytes } = await run(operation, patience);
      const { volumeId } = operation;
      const capacityBytes = BigInt(sizeBytes);
      return { volume: { volumeId, capacityBytes, volumeContext, contentSource: undefined, accessibleTopology: [] } };
    },

    deleteVolume: async (request: DeleteVolumeRequest, patience: Patience): Promise<DeleteVolumeResponse> => {
      const operation = parseDelete(request, options);
      if (operation) await run(operation, patience);
      return {};
    },

    controllerPublishVolume: async (
      request: ControllerPublishVolumeRequest,
      patience: Patience,
    ): Promise<ControllerPublishVolumeResponse> => {
      await run(parsePublish(request, options), patience);
      return { publishContext: {} };
    },

    controllerUnpublishVolume: async (
      request: ControllerUnpublishVolumeRequest,
      patience: Patience,
    ): Promise<ControllerUnpublishVolumeResponse> => {
      const operation = parseUnpublish(request, options);
      if (operation) await run(operation, patience);
      return {};
    },

    controllerExpandVolume: async (
      request: ControllerExpandVolumeRequest,
      patience: Patience,
    ): Promise<ControllerExpandVolumeResponse> => {
      const { operation, nodeExpansionRequired } = parseExpand(request, options);
      const { sizeBytes } = await run(operation, patience);
      return { capacityBytes: BigInt(sizeBytes), nodeExpansionRequired };
    },
  };
}
