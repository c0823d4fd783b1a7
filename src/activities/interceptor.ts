import { activityInfo, Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor, ActivityInterceptorsFactory } from '@temporalio/worker';
import { applicationFailureOf } from '../contract/failure';
import { HEARTBEAT_INTERVAL_MS } from '../contract/limits';
import { Fault } from '../domain/fault';
import type { Logger } from '../domain/log';

interface ActivityInterceptorOptions {
  readonly logger: Logger;
  /** What an act on this volume waits for just now, for a person; undefined if for nothing. Answered from memory. */
  readonly waitingFor: (volumeId: string | undefined) => string | undefined;
}

/** What all activities have in common: heartbeats that tell what is waited for, faults that Temporal understands, a line in the log. */
export function createActivityInterceptor({
  logger,
  waitingFor,
}: ActivityInterceptorOptions): ActivityInterceptorsFactory {
  const inbound: ActivityInboundCallsInterceptor = {
    async execute(input, next) {
      const { activityType, attempt, workflowExecution, workflowType } = activityInfo();
      const workflowId = workflowExecution?.workflowId;
      const fields = {
        operation: workflowType,
        activity: activityType,
        workflowId,
        volumeId: volumeIdOf(input.args) ?? workflowId?.split('/')[1],
        attempt,
      };
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(waitingFor(fields.volumeId) ?? ''), HEARTBEAT_INTERVAL_MS);
      try {
        const result: unknown = await next(input);
        logger.info(fields, `${activityType} done`);
        return result;
      } catch (error) {
        if (error instanceof Fault) logger.warn(fields, `${activityType} failed: ${error.message}`);
        else logger.error({ ...fields, error }, `${activityType} met a bug`);
        throw applicationFailureOf(error);
      } finally {
        clearInterval(beat);
      }
    },
  };
  return () => ({ inbound });
}

function volumeIdOf([input]: readonly unknown[]): string | undefined {
  if (typeof input !== 'object' || input === null || !('volumeId' in input)) return undefined;
  return typeof input.volumeId === 'string' ? input.volumeId : undefined;
}
