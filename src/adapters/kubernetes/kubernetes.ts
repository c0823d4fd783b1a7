import type { Logger } from '../../domain/log';
import type { NodeChange } from '../../domain/node-changes';
import { createCluster } from './cluster';
import { connectApis, type KubernetesAccess } from './connection';
import { type NodeWatcher, startNodeWatcher } from './node-watcher';
import type { ClusterPort } from './port';

interface KubernetesOptions {
  readonly access: KubernetesAccess;
  /** Under which Kubernetes knows the driver. */
  readonly driverName: string;
  /** The Pod of this process; undefined where it is not known. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
  /** Longest that one call may take, a page of a list included, in milliseconds. */
  readonly callLimitMs: number;
  readonly logger: Logger;
}

/** A Kubernetes cluster: asked when it is asked, and watched from `watchNodes` on. */
export interface Kubernetes {
  /** URL of the API server. */
  readonly server: string;
  readonly cluster: ClusterPort;
  /** `onChanges` is told what happens to nodes, each change once, those of half a second together. */
  watchNodes(onChanges: (changes: readonly NodeChange[]) => void): NodeWatcher;
}

/** Asks nothing yet, so that a process starts whether the API server is there or not. Throws an Error if the kubeconfig is none. */
export function connectKubernetes(options: KubernetesOptions): Kubernetes {
  const { access, driverName, pod, callLimitMs, logger } = options;
  const apis = connectApis(access, callLimitMs);
  return {
    server: apis.server,
    cluster: createCluster({ apis, driverName, pod }),
    watchNodes: (onChanges) => startNodeWatcher({ apis, logger, onChanges }),
  };
}
