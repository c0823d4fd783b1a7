import { setTimeout as delay } from 'node:timers/promises';
import { type V1Node, Watch } from '@kubernetes/client-node';
import type { Logger } from '../../domain/log';
import { type NodeChange, type NodeSnapshot, SeenNodes } from '../../domain/node-changes';
import { getNode } from './cluster';
import { faultOf, type KubernetesApis } from './connection';
import { listNodes } from './lists';

/** Between a watch that failed and the next list, in milliseconds: this, doubled each time, at most the maximum. */
const RETRY_INITIAL_MS = 500;
const RETRY_MAXIMUM_MS = 10_000;
/** The API server ends a watch after so long, and all nodes are listed anew: whatever a watch may have missed is found then. */
const WATCH_SECONDS = 300;
/** Changes within this time are told together: a rack that fails is one change of many nodes. */
const GATHER_MS = 500;
const CALL = { verb: 'watch', group: '', resource: 'nodes' } as const;

interface NodeWatcherOptions {
  readonly apis: KubernetesApis;
  readonly logger: Logger;
  /** What has happened to nodes since it was last told; each change once. */
  readonly onChanges: (changes: readonly NodeChange[]) => void;
}

export interface NodeWatcher {
  /** Whether all nodes have been listed: only what changes after that is told. */
  readonly synced: boolean;
  stop(): Promise<void>;
}

/**
 * Watches the Nodes, from a list of all on. Whatever ends the watch (a restart of the API server, a moment that it does not have
 * any more, a connection that says nothing), it goes on: what happened meanwhile is found by comparing with the next list.
 */
export function startNodeWatcher({ apis, logger, onChanges }: NodeWatcherOptions): NodeWatcher {
  const seen = new SeenNodes();
  const stopping = new AbortController();
  const { tell, forget } = gather(onChanges);
  const run = async (): Promise<void> => {
    let retryMs = RETRY_INITIAL_MS;
    let told: string | undefined;
    while (!stopping.signal.aborted) {
      try {
        const { items, resourceVersion } = await listNodes(apis);
        tell(seen.seeAll(items.map(snapshotOf)));
        if (told !== undefined) logger.info({}, 'the Nodes of the cluster are watched again');
        told = undefined;
        await watchFrom(resourceVersion, { apis, seen, tell, signal: stopping.signal });
        retryMs = RETRY_INITIAL_MS;
      } catch (error) {
        const { message } = faultOf(error, CALL, apis);
        if (message !== told) logger.warn({ error }, `the Nodes of the cluster are not watched now: ${message}`);
        told = message;
      }
      await delay(retryMs * (1 + Math.random() / 10), undefined, { signal: stopping.signal }).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, RETRY_MAXIMUM_MS);
    }
  };
  const ended = run();
  return {
    get synced() {
      return seen.known;
    },
    async stop() {
      stopping.abort();
      forget();
      await ended;
    },
  };
}

interface WatchOptions {
  readonly apis: KubernetesApis;
  readonly seen: SeenNodes;
  readonly tell: (changes: readonly NodeChange[]) => void;
  readonly signal: AbortSignal;
}

/** Returns when the API server has ended the watch, or the signal has. Throws what else ended it. */
async function watchFrom(resourceVersion: string, options: WatchOptions): Promise<void> {
  let version = resourceVersion;
  const see = (phase: string, node: V1Node): void => {
    version = node.metadata?.resourceVersion ?? version;
    if (phase === 'BOOKMARK') return;
    const snapshot = snapshotOf(node);
    options.tell(phase === 'DELETED' ? options.seen.miss(snapshot.nodeId) : options.seen.see(snapshot));
  };
  while (!options.signal.aborted) {
    const startedFrom = version;
    const error = await watchOnce(startedFrom, see, options);
    if (options.signal.aborted || error === undefined) return;
    // The connection has said nothing for half a minute: it may be dead, so another goes on where it was.
    if (!isTimeout(error)) throw error;
  }
}

/** One connection. Returns what ended it; undefined: the API server, in order, or the signal, at once. */
async function watchOnce(
  resourceVersion: string,
  see: (phase: string, node: V1Node) => void,
  { apis, signal }: WatchOptions,
): Promise<unknown> {
  return await new Promise<unknown>((resolve) => {
    const query = { resourceVersion, allowWatchBookmarks: true, timeoutSeconds: WATCH_SECONDS };
    let problem: unknown;
    let controller: AbortController | undefined;
    const leave = (): void => {
      // An API server that has not answered yet is not waited for.
      controller?.abort();
      resolve(problem);
    };
    const done = (error: unknown): void => {
      signal.removeEventListener('abort', leave);
      resolve(problem ?? error ?? undefined);
    };
    const receive = (phase: string, object: V1Node): void => {
      if (problem !== undefined || signal.aborted) return;
      try {
        if (phase === 'ERROR') throw new Error(`the watch was ended: ${JSON.stringify(object)}`);
        see(phase, object);
      } catch (error) {
        // The library swallows what is thrown here.
        problem = error;
        leave();
      }
    };
    signal.addEventListener('abort', leave, { once: true });
    const start = async (): Promise<void> => {
      try {
        controller = await new Watch(apis.config).watch('/api/v1/nodes', query, receive, done);
        if (signal.aborted || problem !== undefined) controller.abort();
      } catch (error) {
        done(error);
      }
    };
    void start();
  });
}

function isTimeout(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'TimeoutError';
}

function snapshotOf(node: V1Node): NodeSnapshot {
  return { ...getNode(node), uid: node.metadata?.uid ?? '' };
}

/** Tells changes a little later, together. */
function gather(onChanges: NodeWatcherOptions['onChanges']) {
  let changes: NodeChange[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    onChanges(changes.splice(0));
  };
  const tell = (more: readonly NodeChange[]): void => {
    if (more.length === 0) return;
    changes = [...changes, ...more];
    timer ??= setTimeout(flush, GATHER_MS);
  };
  return { tell, forget: () => clearTimeout(timer) };
}
