import type { AttachmentEvent } from '../activities/attachment-activities';
import type { ClusterActivities } from '../contract/activities';
import type { Logger } from '../domain/log';
import type { AttachmentMetrics } from './attachment-metrics';

interface AttachmentListeners {
  readonly cluster: Pick<ClusterActivities, 'postEvent'>;
  readonly metrics: Pick<AttachmentMetrics, 'observeAttachment'>;
  readonly logger: Logger;
}

/**
 * Counts what happens to attachments, and tells people of it in the background: whoever attaches does not wait for the API server.
 * Clearing is told by who has decided it, and knows why.
 */
export function createAttachmentListener({ cluster, metrics, logger }: AttachmentListeners) {
  return (event: AttachmentEvent): void => {
    metrics.observeAttachment(event);
    const { operation, status, volumeId, nodeIds, claim } = event;
    if (status !== 'success' || operation === 'clear') return;
    const [reason, message] =
      operation === 'attach'
        ? (['VolumeAttached', `${volumeId} is attached to ${nodeIds.join(', ')}`] as const)
        : (['VolumeDetached', `${volumeId} is detached from ${nodeIds.join(', ') || 'all nodes'}`] as const);
    cluster
      .postEvent({ reason, type: 'Normal', message, on: { volumeId, ...(claim && { claim }) } })
      .catch((error: unknown) => logger.error({ error, volumeId }, `the event ${reason} met a bug`));
  };
}
