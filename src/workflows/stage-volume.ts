import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { ClusterEventDto } from '../contract/cluster-events';
import { faultOf } from '../contract/failure';
import type { StageVolumeInput } from '../contract/operations';
import { Fault, type FaultKind } from '../domain/fault';
import { nodeActivitiesOf } from './node-activities';
import { tell } from './tell';

/** Makes a volume usable on a node: connected and, unless it is raw block, with its file system mounted at the staging path. */
export async function stageVolume(input: StageVolumeInput): Promise<void> {
  const node = nodeActivitiesOf(input.nodeId);
  const step = { ...input, runId: workflowInfo().runId };
  let recovers = false;
  try {
    recovers = (await node.connectVolume(step))?.recovers === true;
    if (recovers) await tell(eventOf(input, 'StaleMountDetected'));
    if (input.mode.kind === 'mount') {
      await node.prepareFileSystem(step);
      await node.mountStaging(step);
    }
  } catch (error) {
    // Cancelled or failed: nothing of this run stays, and nothing of another is touched.
    const undone = isCancellation(error) ? { ...step, cancelled: true as const } : step;
    await CancellationScope.nonCancellable(() => node.undoStage(undone)).catch((undoError: unknown) => {
      throw wasRefused(error, undoError) ? error : notUndone(input.volumeId, error, undoError);
    });
    // One that is cancelled is not wanted any more.
    if (recovers && !isCancellation(error)) await tell(eventOf(input, 'RecoveryFailed', error));
    throw error;
  }
  if (recovers) await CancellationScope.nonCancellable(() => tell(eventOf(input, 'MountRecovered')));
}

/** Of a volume whose device the kernel has given up under its mount. */
function eventOf(
  { volumeId, nodeId, target: { ctrlLossTmo } }: StageVolumeInput,
  reason: 'StaleMountDetected' | 'MountRecovered' | 'RecoveryFailed',
  error?: unknown,
): ClusterEventDto {
  const again = 'a pod that had it before reads and writes nothing, and must be deleted to start again';
  const messages = {
    StaleMountDetected:
      `${volumeId}: node ${nodeId} had given up its device under its mount (ctrlLossTmo is ${ctrlLossTmo} s; -1 gives up only if the RDS refuses the session, on Linux 6.10 or newer): ` +
      'what was written last may not have reached the RDS. It is connected and mounted anew',
    MountRecovered: `${volumeId} is mounted on node ${nodeId} again; ${again}`,
    RecoveryFailed: `${volumeId} could not be mounted on node ${nodeId} again: ${faultOf(error, 'it')?.message ?? 'the log of the node says why'}`,
  };
  const type = reason === 'MountRecovered' ? 'Normal' : 'Warning';
  return { reason, type, message: messages[reason], on: { volumeId } };
}

/** Each is told before anything is done, and of the place or the volume itself: then there is nothing to undo either. */
const REFUSALS: readonly (FaultKind | undefined)[] = ['InvalidArgument', 'StagedDifferently'];

/** Whether the undo could not be done for the very reason that the stage was refused for. */
function wasRefused(error: unknown, undoError: unknown): boolean {
  const [why, left] = [error, undoError].map((each) => faultOf(each, '')?.kind);
  return why === left && REFUSALS.includes(why);
}

/** Its code says "perhaps staged": at any other the kubelet takes the volume for free, and never asks to unstage it. */
function notUndone(volumeId: string, error: unknown, undoError: unknown): Fault {
  const [why, left] = [error, undoError].map(
    (each) => faultOf(each, 'it')?.message ?? 'a bug, told by the log of the node',
  );
  return new Fault(
    'StageNotUndone',
    `${volumeId}: not staged: ${why}; and what was begun could not be undone: ${left}`,
  );
}
