import type { ConnectionLike } from '@temporalio/client';
import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { NamespaceNotFoundError } from '@temporalio/common';
import { TEMPORAL_CALL_LIMIT_MS } from '../contract/limits';
import { Fault } from '../domain/fault';

/**
 * Makes a call to Temporal that must be answered within `limitMs`. Whatever keeps Temporal from answering is TemporalUnreachable:
 * whether the call took effect is unknown then, and the caller's next try finds out. What Temporal says of the workflow passes.
 */
export async function callTemporal<T>(
  connection: ConnectionLike,
  call: () => Promise<T>,
  limitMs = TEMPORAL_CALL_LIMIT_MS,
): Promise<T> {
  try {
    return await connection.withDeadline(Date.now() + limitMs, call);
  } catch (error) {
    if (!isNoAnswer(error)) throw error;
    throw new Fault('TemporalUnreachable', `Temporal cannot be reached: ${reasonOf(error)}; repeat the call`, {
      cause: error,
    });
  }
}

/** Temporal did not answer, or cannot be used as it is configured: nothing is known of any run. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof ServiceError || error instanceof NamespaceNotFoundError || isGrpcServiceError(error);
}

/** Why a call to Temporal failed, for a person. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof ServiceError ? (error.cause ?? error) : error;
  return isGrpcServiceError(cause) ? cause.details : String(cause);
}
