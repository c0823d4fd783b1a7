/**
 * The time limits of one try, which depend on one another. All in milliseconds.
 * exec < heartbeat < start-to-close: a try that was lost (its process killed, its connection cut) is repeated only when the
 * script that it had sent is over, so that two tries never overlap.
 */

/** Longest that an exec may wait for its turn on the SSH connection, the connection's set-up included. */
export const EXEC_QUEUE_LIMIT_MS = 8_000;
/** Longest that a script on the RDS may run, from the moment it was sent. */
export const EXEC_LIMIT_MS = 20_000;
/** A worker that has not been heard of for so long is dead. */
export const HEARTBEAT_TIMEOUT_MS = 25_000;
export const HEARTBEAT_INTERVAL_MS = 2_000;
/** Longest that one try of an activity on the RDS may take. */
export const START_TO_CLOSE_TIMEOUT_MS = 30_000;
/** Back-off between tries: 1 s, doubled, at most 16 s, for ever. */
export const RETRY_INITIAL_INTERVAL_MS = 1_000;
export const RETRY_MAXIMUM_INTERVAL_MS = 16_000;
/** An RPC answers this long before its caller's deadline, so that the caller learns the cause. */
export const ANSWER_BEFORE_DEADLINE_MS = 500;
/** Longest that an RPC without a deadline waits. */
export const LONGEST_WAIT_MS = 120_000;
/** Longest that a call to Temporal may take before it counts as unreachable. */
export const TEMPORAL_CALL_LIMIT_MS = 4_000;
/** Longest that one try of connecting, mounting or unmounting on a node may take. */
export const NODE_STEP_TIMEOUT_MS = 120_000;
/** Longest that making a file system, or growing one, may take. */
export const NODE_FORMAT_TIMEOUT_MS = 1_800_000;
/** A node that has not been heard of for so long is dead, or its process was killed. */
export const NODE_HEARTBEAT_TIMEOUT_MS = 10_000;
