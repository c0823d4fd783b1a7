import type { ConnectionEvent } from '../adapters/routeros/connection-keeper';
import type { ClusterActivities } from '../contract/activities';
import type { EventReason } from '../domain/event-reason';
import type { Logger } from '../domain/log';
import type { NodeChange } from '../domain/node-changes';
import type { ReconcileSchedule } from './reconcile-schedule';

interface TriggerParts {
  readonly schedule: ReconcileSchedule;
  readonly cluster: Pick<ClusterActivities, 'postEvent'>;
  /** Of the RDS, for people. */
  readonly address: string;
  readonly logger: Logger;
}

/** What makes reconcile look at once, and tells people of it on the controller's Pod. */
export function createReconcileTriggers({ schedule, cluster, address, logger }: TriggerParts) {
  const tell = (reason: EventReason, type: 'Normal' | 'Warning', message: string): void => {
    cluster
      .postEvent({ reason, type, message, on: { kind: 'Controller' } })
      .catch((error: unknown) => logger.error({ error }, `the event ${reason} met a bug`));
  };
  return {
    onConnection: (event: ConnectionEvent): void => {
      if (event.kind === 'disconnected') {
        const waiting = 'changes of volumes wait for it, what is mounted is not touched by this driver';
        tell('RDSDisconnected', 'Warning', `the RDS ${address} cannot be reached: ${event.reason}; ${waiting}`);
      }
      if (event.kind !== 'connected' || event.first) return;
      tell('RDSReconnected', 'Normal', `the RDS ${address} is back after ${Math.round(event.outageMs / 1_000)} s`);
      schedule.trigger('the RDS is back');
    },

    onNodes: (changes: readonly NodeChange[]): void => {
      const lost = changes.filter(({ what }) => what !== 'ready-again');
      // However many they are, it is one look.
      if (lost.length > 0) schedule.trigger(`nodes are lost: ${lost.map(({ nodeId }) => nodeId).join(', ')}`);
    },

    onStart: (): void => {
      tell('StartupReconciliation', 'Normal', 'the controller has started: the RDS is held against the cluster');
    },
  };
}
