import type * as kubernetesModule from '../adapters/kubernetes/kubernetes';
import type { Kubernetes } from '../adapters/kubernetes/kubernetes';
import { CLUSTER_CALL_LIMIT_MS } from '../contract/limits';
import type { Logger } from '../domain/log';
import type { NodeChange } from '../domain/node-changes';
import type { ControllerConfig } from './config/controller-config';

/** The cluster that the configuration names; undefined: there is none. Its client's code is loaded only where there is one. */
export function findKubernetes({ kubernetes, driverName }: ControllerConfig, logger: Logger): Kubernetes | undefined {
  if (!kubernetes) {
    logger.info({}, 'Kubernetes is not asked: the records on the RDS decide alone');
    return undefined;
  }
  const { connectKubernetes }: typeof kubernetesModule = require('../adapters/kubernetes/kubernetes');
  const connected = connectKubernetes({ ...kubernetes, driverName, callLimitMs: CLUSTER_CALL_LIMIT_MS, logger });
  logger.info({ server: connected.server }, 'Kubernetes is asked about nodes, attachments and volumes');
  return connected;
}

const WORDS: Readonly<Record<NodeChange['what'], string>> = {
  'not-ready': 'is not ready any more',
  deleted: 'was deleted from Kubernetes',
  'out-of-service': 'was declared out of service',
  'ready-again': 'is ready again',
};

/** A line in the log for each change of a node. */
export function logNodeChanges(changes: readonly NodeChange[], logger: Logger): void {
  for (const { nodeId, what } of changes) {
    logger[what === 'ready-again' ? 'info' : 'warn']({ nodeId, change: what }, `node ${nodeId} ${WORDS[what]}`);
  }
}
