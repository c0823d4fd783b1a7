import { type CallOptions, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  ControllerClient,
  ControllerExpandVolumeRequest,
  ControllerGetCapabilitiesRequest,
  ControllerGetVolumeRequest,
  ControllerPublishVolumeRequest,
  ControllerUnpublishVolumeRequest,
  CreateVolumeRequest,
  type DeepPartial,
  DeleteVolumeRequest,
  GetCapacityRequest,
  GetPluginCapabilitiesRequest,
  GetPluginInfoRequest,
  IdentityClient,
  ListVolumesRequest,
  NodeClient,
  NodeExpandVolumeRequest,
  NodeGetCapabilitiesRequest,
  NodeGetInfoRequest,
  NodeGetVolumeStatsRequest,
  NodePublishVolumeRequest,
  NodeStageVolumeRequest,
  NodeUnpublishVolumeRequest,
  NodeUnstageVolumeRequest,
  ProbeRequest,
  ValidateVolumeCapabilitiesRequest,
} from '../csi/generated/csi';

/** What an RPC may take if the caller does not say, in milliseconds. */
const USUAL_TIMEOUT_MS = 60_000;

type Method<Request, Reply> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, reply: Reply) => void,
) => unknown;

/** A caller as the sidecars are: gRPC over the driver's Unix socket, each call with a deadline. */
export function createCsiClient(socketPath: string) {
  const address = `unix:${socketPath}`;
  const controller = new ControllerClient(address, credentials.createInsecure());
  const identity = new IdentityClient(address, credentials.createInsecure());
  return {
    createVolume: rpc(CreateVolumeRequest, controller.createVolume.bind(controller)),
    deleteVolume: rpc(DeleteVolumeRequest, controller.deleteVolume.bind(controller)),
    publishVolume: rpc(ControllerPublishVolumeRequest, controller.controllerPublishVolume.bind(controller)),
    unpublishVolume: rpc(ControllerUnpublishVolumeRequest, controller.controllerUnpublishVolume.bind(controller)),
    expandVolume: rpc(ControllerExpandVolumeRequest, controller.controllerExpandVolume.bind(controller)),
    getVolume: rpc(ControllerGetVolumeRequest, controller.controllerGetVolume.bind(controller)),
    listVolumes: rpc(ListVolumesRequest, controller.listVolumes.bind(controller)),
    getCapacity: rpc(GetCapacityRequest, controller.getCapacity.bind(controller)),
    validate: rpc(ValidateVolumeCapabilitiesRequest, controller.validateVolumeCapabilities.bind(controller)),
    getCapabilities: rpc(ControllerGetCapabilitiesRequest, controller.controllerGetCapabilities.bind(controller)),
    getPluginInfo: rpc(GetPluginInfoRequest, identity.getPluginInfo.bind(identity)),
    getPluginCapabilities: rpc(GetPluginCapabilitiesRequest, identity.getPluginCapabilities.bind(identity)),
    probe: rpc(ProbeRequest, identity.probe.bind(identity)),
    close(): void {
      controller.close();
      identity.close();
    },
  };
}

export type CsiClient = ReturnType<typeof createCsiClient>;

/** A caller as the kubelet is, of a node's socket. */
export function createCsiNodeClient(socketPath: string) {
  const address = `unix:${socketPath}`;
  const node = new NodeClient(address, credentials.createInsecure());
  const identity = new IdentityClient(address, credentials.createInsecure());
  return {
    stage: rpc(NodeStageVolumeRequest, node.nodeStageVolume.bind(node)),
    unstage: rpc(NodeUnstageVolumeRequest, node.nodeUnstageVolume.bind(node)),
    publish: rpc(NodePublishVolumeRequest, node.nodePublishVolume.bind(node)),
    unpublish: rpc(NodeUnpublishVolumeRequest, node.nodeUnpublishVolume.bind(node)),
    stats: rpc(NodeGetVolumeStatsRequest, node.nodeGetVolumeStats.bind(node)),
    expand: rpc(NodeExpandVolumeRequest, node.nodeExpandVolume.bind(node)),
    getInfo: rpc(NodeGetInfoRequest, node.nodeGetInfo.bind(node)),
    getCapabilities: rpc(NodeGetCapabilitiesRequest, node.nodeGetCapabilities.bind(node)),
    probe: rpc(ProbeRequest, identity.probe.bind(identity)),
    close(): void {
      node.close();
      identity.close();
    },
  };
}

export type CsiNodeClient = ReturnType<typeof createCsiNodeClient>;

/** A method as a function of what differs from the message's defaults. Rejects with gRPC's ServiceError. */
function rpc<Request, Reply>(
  message: { fromPartial(partial: DeepPartial<Request>): Request },
  method: Method<Request, Reply>,
): (partial: DeepPartial<Request>, timeoutMs?: number) => Promise<Reply> {
  return (partial, timeoutMs = USUAL_TIMEOUT_MS) =>
    new Promise((resolve, reject) => {
      method(message.fromPartial(partial), new Metadata(), { deadline: Date.now() + timeoutMs }, (error, reply) =>
        error ? reject(error) : resolve(reply),
      );
    });
}
