/** The workflows by their names in Temporal. A name is stored in histories: it is never changed. */
import type { OperationWorkflows } from '../contract/operations';
import { createVolume } from './create-volume';
import { deleteVolume } from './delete-volume';
import { expandVolume } from './expand-volume';
import { publishVolume } from './publish-volume';
import { unpublishVolume } from './unpublish-volume';

export { createVolume, deleteVolume, expandVolume, publishVolume, unpublishVolume };

// Every operation of the contract has its workflow: the compiler says so here.
({ createVolume, deleteVolume, expandVolume, publishVolume, unpublishVolume }) satisfies OperationWorkflows;
