import { Fault } from '../domain/fault';
import { parseNodePath } from '../domain/node-path';
import type { VolumeId } from '../domain/volume-id';
import {
  NodeServiceCapability_RPC_Type as Capability,
  type NodeGetVolumeStatsRequest,
  type NodeGetVolumeStatsResponse,
  type NodeServer,
  VolumeUsage_Unit as Unit,
} from './generated/csi';
import {
  type NodeOptions,
  parseNodeExpandRequest,
  parsePublishRequest,
  parseStageRequest,
  parseUnpublishRequest,
  parseUnstageRequest,
  parseVolumePlace,
} from './node-operations';
import type { Operation } from './operation';
import type { Patience, RunOperation } from './operations';
import { type UnaryScope, unary } from './unary';

const CAPABILITIES = [
  Capability.STAGE_UNSTAGE_VOLUME,
  Capability.GET_VOLUME_STATS,
  Capability.VOLUME_CONDITION,
  Capability.EXPAND_VOLUME,
  Capability.SINGLE_NODE_MULTI_WRITER,
];

interface FileSystemUse {
  readonly totalBytes: bigint;
  readonly freeBytes: bigint;
  readonly availableBytes: bigint;
  readonly totalInodes: bigint;
  readonly freeInodes: bigint;
}

/** What this node does by itself, without Temporal and without the RDS. */
export interface LocalVolumes {
  publish(wish: ReturnType<typeof parsePublishRequest>): Promise<void>;
  unpublish(volumeId: VolumeId, targetPath: string): Promise<void>;
  stats(asked: {
    readonly volumeId: VolumeId;
    readonly volumePath: string;
    readonly stagingTargetPath: string | undefined;
  }): Promise<{
    readonly totalBytes: bigint;
    readonly kind: 'mount' | 'block';
    readonly fileSystem: FileSystemUse | undefined;
    readonly abnormal: string | undefined;
  }>;
}

interface NodeServiceOptions extends NodeOptions {
  readonly run: RunOperation;
  /** Told of each stage that is asked for, until the function that it returns is called. */
  readonly demand: {
    ask(place: { readonly volumeId: VolumeId; readonly stagingTargetPath: string }): () => void;
  };
  readonly local: LocalVolumes;
  /** 0: no limit known. */
  readonly maxVolumes: number;
  /** Labels of this node that volumes may be bound to; empty: none. */
  readonly topology: Readonly<Record<string, string>>;
}

/** The CSI Node service. */
export function createNodeService(options: NodeServiceOptions, scope: UnaryScope) {
  const { run, local, nodeId, maxVolumes, topology } = options;
  return {
    nodeStageVolume: unary(scope, 'NodeStageVolume', async (request, patience) => {
      await stage(options, parseStageRequest(request, options), patience);
      return {};
    }),
    nodeUnstageVolume: unary(scope, 'NodeUnstageVolume', async (request, patience) => {
      const operation = parseUnstageRequest(request, options);
      if (operation) await run(operation, patience);
      return {};
    }),
    nodePublishVolume: unary(scope, 'NodePublishVolume', async (request, patience) => {
      const wish = parsePublishRequest(request, options);
      await local.publish(wish).catch(async (error: unknown) => {
        if (!(error instanceof Fault) || error.kind !== 'StageLost') throw error;
        // The kubelet takes it for staged until it is restarted. The request has all that a stage is told.
        const operation = parseStageRequest(request, options);
        await stage(options, { ...operation, input: { ...operation.input, restages: true } }, patience);
        await local.publish(wish);
      });
      return {};
    }),
    nodeUnpublishVolume: unary(scope, 'NodeUnpublishVolume', async (request) => {
      const wish = parseUnpublishRequest(request, options);
      if (wish) await local.unpublish(wish.volumeId, wish.targetPath);
      return {};
    }),
    nodeGetVolumeStats: unary(scope, 'NodeGetVolumeStats', (request) => getStats(options, request)),
    nodeExpandVolume: unary(scope, 'NodeExpandVolume', async (request, patience) => {
      const { sizeBytes } = await run(parseNodeExpandRequest(request, options), patience);
      return { capacityBytes: BigInt(sizeBytes) };
    }),
    nodeGetCapabilities: unary(scope, 'NodeGetCapabilities', () => ({
      capabilities: CAPABILITIES.map((type) => ({ type: { $case: 'rpc', value: { type } } as const })),
    })),
    nodeGetInfo: unary(scope, 'NodeGetInfo', () => ({
      nodeId,
      maxVolumesPerNode: BigInt(maxVolumes),
      accessibleTopology: Object.keys(topology).length > 0 ? { segments: { ...topology } } : undefined,
    })),
  } satisfies Partial<NodeServer>;
}

async function stage(
  { demand, run }: NodeServiceOptions,
  operation: Operation<'stageVolume'>,
  patience: Patience,
): Promise<void> {
  const end = demand.ask({ ...operation.input, volumeId: operation.volumeId });
  await run(operation, patience).finally(end);
}

async function getStats(
  { local, kubeletDirs }: NodeServiceOptions,
  request: NodeGetVolumeStatsRequest,
): Promise<NodeGetVolumeStatsResponse> {
  const { volumeId, volumePath } = parseVolumePlace(request, kubeletDirs);
  const { stagingTargetPath: staging } = request;
  const stagingTargetPath = staging === '' ? undefined : parseNodePath(staging, kubeletDirs, 'staging_target_path');
  const { kind, totalBytes, fileSystem, abnormal } = await local.stats({ volumeId, volumePath, stagingTargetPath });
  const volumeCondition = { abnormal: abnormal !== undefined, message: abnormal ?? 'connected and answering' };
  if (kind === 'block') {
    return { usage: [{ total: totalBytes, available: 0n, used: 0n, unit: Unit.BYTES }], volumeCondition };
  }
  return { usage: fileSystem ? usageOf(fileSystem) : [], volumeCondition };
}

function usageOf({ totalBytes, freeBytes, availableBytes, totalInodes, freeInodes }: FileSystemUse) {
  return [
    { total: totalBytes, available: availableBytes, used: totalBytes - freeBytes, unit: Unit.BYTES },
    { total: totalInodes, available: freeInodes, used: totalInodes - freeInodes, unit: Unit.INODES },
  ];
}
