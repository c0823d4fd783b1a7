import { createHash } from 'node:crypto';
import type { CoreV1Event } from '@kubernetes/client-node';
import { Fault } from '../../domain/fault';
import { cutToBytes } from '../../domain/text';
import { ask, askFor, isConflict, type KubernetesApis } from './connection';
import { createEventFlood } from './event-flood';
import { type EventTarget, findTarget, type TargetOptions } from './event-target';
import type { ClusterEvent, ClusterPort } from './port';

/** What Kubernetes takes of a note. */
const MOST_MESSAGE_BYTES = 1_024;
/** What stands for objects that have no namespace. */
const CLUSTER_NAMESPACE = 'default';
/** Two processes that count the same event at once take turns. */
const ATTEMPTS = 5;
/** All calls of one event, in milliseconds: less than an activity that asks the cluster may take. */
const POST_LIMIT_MS = 8_000;
const COMBINED = '(combined from similar events): ';

/** Posts events; a repeat is counted in the one that is there, by whichever process it was posted. */
export function createEventPoster(options: TargetOptions): ClusterPort['postEvent'] {
  const hasOwnPlace = createEventFlood(Date.now);
  const post = async (event: ClusterEvent): Promise<void> => {
    const target = await findTarget(event.on, options);
    if (!target)
      throw new Fault('ClusterUnreachable', 'there is no object to post it on, and podName is not configured');
    const series = [target.uid, target.kind, target.namespace, target.name, event.type, event.reason].join('/');
    const message = cutToBytes(event.message, MOST_MESSAGE_BYTES);
    const isOwn = hasOwnPlace(series, message);
    await postOrCount(options.apis, {
      ...bodyOf(event, target, options),
      message: isOwn ? message : cutToBytes(`${COMBINED}${message}`, MOST_MESSAGE_BYTES),
      metadata: {
        name: `${target.name.slice(0, 200)}.${hashOf(isOwn ? `${series}/${message}` : series)}`,
        namespace: target.namespace ?? CLUSTER_NAMESPACE,
      },
    });
  };
  return async (event) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const fault = new Fault(
        'ClusterUnreachable',
        `the API server took more than ${POST_LIMIT_MS / 1_000} s for an event`,
      );
      timer = setTimeout(() => reject(fault), POST_LIMIT_MS);
    });
    try {
      await Promise.race([post(event), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** An event of core/v1, the form that every kubectl shows with its count. */
function bodyOf({ reason, type }: ClusterEvent, target: EventTarget, { driverName, pod }: TargetOptions) {
  const { kind, name, namespace, uid } = target;
  const now = new Date();
  return {
    involvedObject: { apiVersion: 'v1', kind, name, ...(namespace && { namespace }), ...(uid && { uid }) },
    reason,
    type,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: driverName },
    reportingComponent: driverName,
    reportingInstance: pod?.name ?? '',
  };
}

type EventBody = CoreV1Event & {
  readonly message: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
};

async function postOrCount(apis: KubernetesApis, body: EventBody): Promise<void> {
  const { name, namespace } = body.metadata;
  const call = { group: '', resource: 'events', name } as const;
  for (let attempt = 1; ; attempt++) {
    try {
      const create = { verb: 'create', group: '', resource: 'events' } as const;
      await ask(apis, create, () => apis.core.createNamespacedEvent({ namespace, body }));
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
    const read = () => apis.core.readNamespacedEvent({ namespace, name });
    const there = await askFor(apis, { ...call, verb: 'get' }, read);
    // Events end by themselves, after an hour: then it is made anew.
    if (!there) continue;
    try {
      there.count = (there.count ?? 1) + 1;
      there.lastTimestamp = new Date();
      there.message = body.message;
      const replace = () => apis.core.replaceNamespacedEvent({ namespace, name, body: there });
      await ask(apis, { ...call, verb: 'update' }, replace);
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
  }
}
