import type { WorkflowInboundCallsInterceptor, WorkflowInterceptors } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/workflow';
import { applicationFailureOf } from '../contract/failure';
import { Fault } from '../domain/fault';

/**
 * A Fault thrown in workflow code ends the workflow as an ApplicationFailure. Without this Temporal would take it for a bug in
 * the code and repeat the workflow task for ever, in the hope of a better release.
 */
const faultsEndWorkflows: WorkflowInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (error) {
      if (error instanceof TemporalFailure || !(error instanceof Fault)) throw error;
      throw applicationFailureOf(error);
    }
  },
};

export const interceptors = (): WorkflowInterceptors => ({ inbound: [faultsEndWorkflows] });
