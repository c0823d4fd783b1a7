import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type {
  ArrayActivities,
  ClusterActivities,
  MetricsActivities,
  ReconcileActivities,
} from '../contract/activities';
import {
  CLUSTER_STEP_TIMEOUT_MS,
  HEARTBEAT_TIMEOUT_MS,
  RETRY_INITIAL_INTERVAL_MS,
  RETRY_MAXIMUM_INTERVAL_MS,
  START_TO_CLOSE_TIMEOUT_MS,
} from '../contract/limits';

const retry = {
  initialInterval: RETRY_INITIAL_INTERVAL_MS,
  backoffCoefficient: 2,
  maximumInterval: RETRY_MAXIMUM_INTERVAL_MS,
};

/**
 * Acts on the RDS. Tried for as long as the RDS cannot be reached; a cancelled one is waited for, since what it has sent may
 * still take effect.
 */
export const array = proxyActivities<ArrayActivities>({
  startToCloseTimeout: START_TO_CLOSE_TIMEOUT_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry,
});

/** Asks the cluster, for as long as it does not answer. */
export const cluster = proxyActivities<Omit<ClusterActivities, 'postEvent' | 'findPersistentVolume'>>({
  startToCloseTimeout: CLUSTER_STEP_TIMEOUT_MS,
  retry,
});

/** Telling is worth a few tries, and no operation waits for it any longer. */
const MOST_TELLING_ATTEMPTS = 3;

/** Tells people and metrics. */
export const telling = proxyActivities<Pick<ClusterActivities, 'postEvent'> & MetricsActivities>({
  startToCloseTimeout: CLUSTER_STEP_TIMEOUT_MS,
  retry: { ...retry, maximumAttempts: MOST_TELLING_ATTEMPTS },
});

/** Asks the cluster for long lists. */
export const clusterLists = proxyActivities<Pick<ClusterActivities, 'findPersistentVolume'>>({
  startToCloseTimeout: START_TO_CLOSE_TIMEOUT_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
});

/** Holds the RDS against the cluster. */
export const reconciler = proxyActivities<ReconcileActivities>({
  startToCloseTimeout: START_TO_CLOSE_TIMEOUT_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry,
});
