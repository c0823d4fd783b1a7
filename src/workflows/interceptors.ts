import type { WorkflowInboundCallsInterceptor, WorkflowInterceptors } from '@temporalio/workflow';
import { CancellationScope, CancelledFailure } from '@temporalio/workflow';
import { applicationFailureOf, faultOf } from '../contract/failure';
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
      if (error instanceof Fault) throw applicationFailureOf(error);
      throw wasGivenUp(error) ? new CancelledFailure('cancelled while it could not be done', [], error) : error;
    }
  },
};

/**
 * Whether the operation failed only because it was not to be tried again: Temporal does not repeat an activity whose
 * cancellation is requested, so a try that fails then ends it with a fault that would have passed.
 */
function wasGivenUp(error: unknown): error is Error {
  return CancellationScope.current().consideredCancelled && faultOf(error, '')?.retryable === true;
}

export const interceptors = (): WorkflowInterceptors => ({ inbound: [faultsEndWorkflows] });
