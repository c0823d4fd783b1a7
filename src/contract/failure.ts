import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { Fault, isFaultKind } from '../domain/fault';

/** Failure type of what no Fault describes: a bug. Its message stays in the worker's log. */
const BUG = 'Bug';

/** A Fault as it is stored in a history; anything else as a bug, which is not tried again and tells nothing of itself. */
export function applicationFailureOf(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof Fault) {
    return ApplicationFailure.create({ type: error.kind, message: error.message, nonRetryable: !error.retryable });
  }
  return ApplicationFailure.create({
    type: BUG,
    message: 'an unexpected error; the log of the worker tells which',
    nonRetryable: true,
  });
}

/**
 * The Fault that a workflow or activity ended with; undefined if it ended with none (a bug). `subject` begins the message of
 * faults that Temporal itself is the author of, e.g. `createVolume of pvc-…`.
 */
export function faultOf(failure: unknown, subject: string): Fault | undefined {
  if (failure instanceof Fault) return failure;
  if (failure instanceof ActivityFailure) return faultOf(failure.cause, subject);
  if (failure instanceof ApplicationFailure) {
    return failure.type && isFaultKind(failure.type) ? new Fault(failure.type, failure.message) : undefined;
  }
  if (failure instanceof CancelledFailure) return new Fault('OperationCancelled', `${subject} was cancelled`);
  if (failure instanceof TerminatedFailure) {
    return new Fault('OperationCancelled', `${subject} was terminated by an operator (${failure.message})`);
  }
  if (failure instanceof TimeoutFailure) return new Fault('OperationCancelled', `${subject} ran out of time`);
  return undefined;
}
