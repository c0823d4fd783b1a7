import type { StageModeDto } from '../contract/operations';
import { nodeWorkflowIdOf } from '../contract/workflow-ids';
import { isReaderMode, parseCapability, type VolumeCapability } from '../domain/capability';
import { Fault } from '../domain/fault';
import { parseMkfsOptions } from '../domain/mkfs-options';
import { type NodePath, parseNodePath } from '../domain/node-path';
import type { NodeId } from '../domain/nqn';
import { formatBytes, parseBytes } from '../domain/size';
import { formatUntrusted } from '../domain/text';
import { parseVolumeContext } from '../domain/volume-context';
import { parseVolumeId, type VolumeId } from '../domain/volume-id';
import { filePathOf } from '../domain/volume-path';
import type {
  NodeExpandVolumeRequest,
  NodePublishVolumeRequest,
  NodeStageVolumeRequest,
  NodeUnpublishVolumeRequest,
  NodeUnstageVolumeRequest,
  VolumeCapability as WireCapability,
} from './generated/csi';
import type { Operation } from './operation';
import { aboutRequested, capabilityInputOf, findRequestedVolume, required, requireSmallMap } from './request';

/** Requests of the kubelet become operations, or wishes for this node alone: all that is wrong is refused here. */

export interface NodeOptions {
  readonly nodeId: NodeId;
  /** Paths that are below none of them are refused: the kubelet's own, as it is configured and with its links resolved. */
  readonly kubeletDirs: readonly string[];
}

/** Throws InvalidArgument, VolumeNotFound. */
export function parseStageRequest(request: NodeStageVolumeRequest, options: NodeOptions): Operation<'stageVolume'> {
  return aboutRequested(request.volumeId, () => parseStage(request, options));
}

function parseStage(request: NodeStageVolumeRequest, options: NodeOptions): Operation<'stageVolume'> {
  const stagingTargetPath = parseNodePath(request.stagingTargetPath, options.kubeletDirs, 'staging_target_path');
  const capability = parseRequired(request.volumeCapability);
  requireSmallMap(request.volumeContext, 'volume_context');
  requireSmallMap(request.publishContext, 'publish_context');
  const volumeId = parseVolumeId(request.volumeId);
  const context = parseVolumeContext(request.volumeContext, volumeId);
  const { nqn, nvmeAddress, nvmePort, volumePath, ctrlLossTmo, reconnectDelay, keepAliveTmo, mkfsOptions } = context;
  const target = {
    nqn,
    address: nvmeAddress,
    port: nvmePort,
    filePath: filePathOf(volumePath, volumeId),
    ctrlLossTmo,
    reconnectDelay,
    ...(keepAliveTmo === undefined ? {} : { keepAliveTmo }),
  };
  const mode = modeOf(capability, mkfsOptions);
  const summary = `stage ${mode.kind === 'mount' ? mode.fileSystem : 'raw block'} on ${options.nodeId}`;
  const input = { volumeId, nodeId: options.nodeId, stagingTargetPath, target, mode };
  return { name: 'stageVolume', ...aboutNode(volumeId, options.nodeId), input, summary };
}

/** Undefined: an ID that this driver never gave out, so nothing of it is staged. Throws InvalidArgument. */
export function parseUnstageRequest(
  request: NodeUnstageVolumeRequest,
  { nodeId, kubeletDirs }: NodeOptions,
): Operation<'unstageVolume'> | undefined {
  const stagingTargetPath = parseNodePath(request.stagingTargetPath, kubeletDirs, 'staging_target_path');
  const volumeId = findRequestedVolume(request.volumeId);
  if (volumeId === undefined) return undefined;
  const input = { volumeId, nodeId, stagingTargetPath };
  return { name: 'unstageVolume', ...aboutNode(volumeId, nodeId), input, summary: `unstage from ${nodeId}` };
}

/** Throws InvalidArgument, SizeOutOfRange, VolumeNotFound. */
export function parseNodeExpandRequest(
  request: NodeExpandVolumeRequest,
  { nodeId, kubeletDirs }: NodeOptions,
): Operation<'expandNodeVolume'> {
  const { volumeId, volumePath } = parseVolumePlace(request, kubeletDirs);
  if (request.stagingTargetPath !== '') parseNodePath(request.stagingTargetPath, kubeletDirs, 'staging_target_path');
  if (request.volumeCapability) parseRequired(request.volumeCapability);
  const requiredBytes = parseBytes(request.capacityRange?.requiredBytes ?? 0n, 'capacity_range.required_bytes');
  const limitBytes = parseBytes(request.capacityRange?.limitBytes ?? 0n, 'capacity_range.limit_bytes');
  if (limitBytes > 0n && limitBytes < requiredBytes) {
    throw new Fault('InvalidArgument', `capacity_range.limit_bytes: ${limitBytes} is less than required_bytes`);
  }
  const sizeBytes = requiredBytes > 0n ? { sizeBytes: requiredBytes.toString() } : {};
  const summary = `grow on ${nodeId}${requiredBytes > 0n ? ` to ${formatBytes(requiredBytes)}` : ''}`;
  const input = { volumeId, nodeId, volumePath, ...sizeBytes };
  return { name: 'expandNodeVolume', ...aboutNode(volumeId, nodeId), input, summary };
}

/** Throws InvalidArgument, VolumeNotFound, NotStaged. */
export function parsePublishRequest(request: NodePublishVolumeRequest, options: NodeOptions) {
  return aboutRequested(request.volumeId, () => parsePublish(request, options));
}

function parsePublish(request: NodePublishVolumeRequest, { kubeletDirs }: NodeOptions) {
  const targetPath = parseNodePath(request.targetPath, kubeletDirs, 'target_path');
  const capability = parseRequired(request.volumeCapability);
  requireSmallMap(request.volumeContext, 'volume_context');
  requireSmallMap(request.publishContext, 'publish_context');
  const volumeId = parseVolumeId(request.volumeId);
  // CSI spec 1.12, NodePublishVolume: with STAGE_UNSTAGE_VOLUME declared, a missing path means that nothing was staged.
  if (request.stagingTargetPath === '') throw new Fault('NotStaged', `${volumeId}: staging_target_path is missing`);
  const stagingTargetPath = parseNodePath(request.stagingTargetPath, kubeletDirs, 'staging_target_path');
  const readOnly = request.readonly || isReaderMode(capability.accessMode);
  const exclusive = capability.accessMode === 'single-node-single-writer';
  return { volumeId, stagingTargetPath, targetPath, kind: capability.kind, readOnly, exclusive };
}

/** Undefined: an ID that this driver never gave out. Throws InvalidArgument. */
export function parseUnpublishRequest(request: NodeUnpublishVolumeRequest, { kubeletDirs }: NodeOptions) {
  const targetPath = parseNodePath(request.targetPath, kubeletDirs, 'target_path');
  const volumeId = findRequestedVolume(request.volumeId);
  return volumeId === undefined ? undefined : { volumeId, targetPath };
}

/** Where a volume is said to be. At a path that is not absolute there never is one. Throws InvalidArgument, VolumeNotFound. */
export function parseVolumePlace(
  request: { readonly volumeId: string; readonly volumePath: string },
  kubeletDirs: readonly string[],
): { readonly volumeId: VolumeId; readonly volumePath: NodePath } {
  const { volumePath } = request;
  if (volumePath === '') throw new Fault('InvalidArgument', 'volume_path: missing');
  const volumeId = parseVolumeId(request.volumeId);
  if (!volumePath.startsWith('/')) {
    throw new Fault('VolumeNotFound', `${volumeId} is not at ${formatUntrusted(volumePath)}, which is not absolute`);
  }
  return { volumeId, volumePath: parseNodePath(volumePath, kubeletDirs, 'volume_path') };
}

function parseRequired(capability: WireCapability | undefined): VolumeCapability {
  return parseCapability(capabilityInputOf(required(capability, 'volume_capability')), 'volume_capability');
}

function modeOf(capability: VolumeCapability, mkfsOptions: string | undefined): StageModeDto {
  if (capability.kind === 'block') return { kind: 'block', readOnly: isReaderMode(capability.accessMode) };
  const { fileSystem, mountFlags, accessMode } = capability;
  return {
    kind: 'mount',
    fileSystem,
    mountFlags,
    mkfsOptions:
      mkfsOptions === undefined ? [] : parseMkfsOptions(mkfsOptions, fileSystem, 'volume_context.mkfsOptions'),
    readOnly: isReaderMode(accessMode),
  };
}

function aboutNode(volumeId: VolumeId, nodeId: NodeId) {
  return { volumeId, workflowId: nodeWorkflowIdOf(volumeId, nodeId), nodeId };
}
