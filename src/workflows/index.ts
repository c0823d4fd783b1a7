/** The workflows by their names in Temporal. A name is stored in histories: it is never changed. */
import type { OperationWorkflows } from '../contract/operations';
import { createVolume } from './create-volume';
import { deleteVolume } from './delete-volume';
import { expandNodeVolume } from './expand-node-volume';
import { expandVolume } from './expand-volume';
import { publishVolume } from './publish-volume';
import { reconcile } from './reconcile';
import { repairVolume } from './repair-volume';
import { stageVolume } from './stage-volume';
import { unpublishVolume } from './unpublish-volume';
import { unstageVolume } from './unstage-volume';
import { watchMigration } from './watch-migration';

// Every operation of the contract has its workflow: the compiler says so here.
({
  createVolume,
  deleteVolume,
  expandVolume,
  publishVolume,
  unpublishVolume,
  stageVolume,
  unstageVolume,
  expandNodeVolume,
}) satisfies OperationWorkflows;

export {
  createVolume,
  deleteVolume,
  expandNodeVolume,
  expandVolume,
  publishVolume,
  reconcile,
  repairVolume,
  stageVolume,
  unpublishVolume,
  unstageVolume,
  watchMigration,
};
