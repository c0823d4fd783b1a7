import { patched } from '@temporalio/workflow';
import { faultOf } from '../contract/failure';
import type { AttachResult, ClaimDto, PublishVolumeInput } from '../contract/operations';
import { USUAL_MIGRATION_SECONDS } from '../domain/migration';
import { array, cluster } from './activities';
import { clearLostHolders } from './lost-holders';
import { ensureMigrationIsWatched } from './migration-watch';
import { countOutcome, tell } from './tell';

/**
 * Attaches a volume to a node: the node exists, and the record on the disk names it. Holders that are lost give way to it. Where
 * two nodes have the volume then, the time that they may is watched.
 */
export async function publishVolume(input: PublishVolumeInput): Promise<void> {
  await cluster.requireNode({ nodeId: input.attachment.nodeId });
  const attached = await attach(input);
  if (!attached) return;
  const { volumeId, clusterId, migrationTimeoutSeconds: timeoutSeconds = USUAL_MIGRATION_SECONDS } = input;
  await ensureMigrationIsWatched({ volumeId, clusterId, migration: attached.migration, timeoutSeconds });
}

async function attach(input: PublishVolumeInput): Promise<AttachResult | undefined> {
  try {
    return await array.attachVolume(input);
  } catch (error) {
    // Runs of earlier releases ended here.
    if (!isInUse(error) || !patched('lost-holders')) throw error;
    const { claim, cleared } = await clearLostHolders(input);
    if (cleared) return await attachOnceMore(input, claim);
    await tellConflict({ input, claim, error });
    throw error;
  }
}

/** Somebody has given way: whoever has the volume now has it by right. */
async function attachOnceMore(
  input: PublishVolumeInput,
  claim: ClaimDto | undefined,
): Promise<AttachResult | undefined> {
  try {
    return await array.attachVolume(input);
  } catch (error) {
    if (isInUse(error)) await tellConflict({ input, claim, error });
    throw error;
  }
}

function isInUse(error: unknown): boolean {
  return faultOf(error, '')?.kind === 'VolumeInUse';
}

interface Conflict {
  readonly input: PublishVolumeInput;
  readonly claim: ClaimDto | undefined;
  readonly error: unknown;
}

async function tellConflict({ input: { volumeId }, claim, error }: Conflict): Promise<void> {
  const why = faultOf(error, '')?.message ?? `${volumeId} is attached to other nodes`;
  const advice =
    'It is tried again. If such a node is off for good, delete its Node, or give it the taint node.kubernetes.io/out-of-service';
  const on = { volumeId, ...(claim && { claim }) };
  await tell({ reason: 'AttachmentConflict', type: 'Warning', message: `${why}. ${advice}`, on });
  await countOutcome({ kind: 'attachment-conflict' });
}
