import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { IdentityService, NodeService } from '../../src/csi/generated/csi';

export interface NodeStandInOptions {
  readonly socketPath: string;
  readonly nodeId: string;
}

export interface NodeStandIn {
  /** As csi-sanity takes it. */
  readonly endpoint: string;
  stop(): void;
}

/**
 * What csi-sanity's controller tests ask of a node, and no more: its ID, that it stages nothing, and that nothing is published
 * there. It stands in for a node service where only a controller is tested.
 */
export async function startNodeStandIn({ socketPath, nodeId }: NodeStandInOptions): Promise<NodeStandIn> {
  const server = new Server();
  server.addService(IdentityService, {
    getPluginInfo: answer({ name: 'rds.csi.srvlab.io', vendorVersion: 'stand-in', manifest: {} }),
    getPluginCapabilities: answer({ capabilities: [] }),
    probe: answer({ ready: true }),
  } satisfies UntypedServiceImplementation);
  server.addService(NodeService, {
    nodeGetInfo: answer({ nodeId, maxVolumesPerNode: 0n, accessibleTopology: undefined }),
    nodeGetCapabilities: answer({ capabilities: [] }),
    nodeUnpublishVolume: answer({}),
    nodePublishVolume: refuse,
    nodeStageVolume: refuse,
    nodeUnstageVolume: refuse,
    nodeGetVolumeStats: refuse,
    nodeExpandVolume: refuse,
  } satisfies UntypedServiceImplementation);
  await new Promise<void>((resolve, reject) => {
    const settle = (error: Error | null) => (error ? reject(error) : resolve());
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), settle);
  });
  return { endpoint: `unix:${socketPath}`, stop: () => server.forceShutdown() };
}

function answer<Reply>(reply: Reply): handleUnaryCall<unknown, Reply> {
  return (_call, callback) => callback(null, reply);
}

const refuse: handleUnaryCall<unknown, never> = (_call, callback) =>
  callback({ code: status.UNIMPLEMENTED, details: 'the stand-in for a node does not do this' });
