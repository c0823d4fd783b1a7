import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { faultOf } from '../contract/failure';
import type { StageVolumeInput } from '../contract/operations';
import { Fault, type FaultKind } from '../domain/fault';
import { nodeActivitiesOf } from './node-activities';

/** Makes a volume usable on a node: connected and, unless it is raw block, with its file system mounted at the staging path. */
export async function stageVolume(input: StageVolumeInput): Promise<void> {
  const node = nodeActivitiesOf(input.nodeId);
  const step = { ...input, runId: workflowInfo().runId };
  try {
    await node.connectVolume(step);
    if (input.mode.kind === 'block') return;
    await node.prepareFileSystem(step);
    await node.mountStaging(step);
  } catch (error) {
    // Cancelled or failed: nothing of this run stays, and nothing of another is touched.
    await CancellationScope.nonCancellable(() => node.undoStage(step)).catch((undoError: unknown) => {
      throw wasRefused(error, undoError) ? error : notUndone(input.volumeId, error, undoError);
    });
    throw error;
  }
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
