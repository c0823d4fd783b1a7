import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import type { StageVolumeInput } from '../contract/operations';
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
    await CancellationScope.nonCancellable(() => node.undoStage(step));
    throw error;
  }
}
