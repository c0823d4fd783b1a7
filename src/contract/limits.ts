/**
 * The time limits of one try, which depend on one another. All in milliseconds.
 * exec < heartbeat: a try whose process was killed, or whose connection was cut, is repeated only when the script that it had sent
 * is over, as far as that can be known from here: RouterOS may take longer than the limit of an exec, and then a try that nobody
 * watches any more may still take effect (docs/limitations.md). While the connection is alive it is watched, up to the limit of
 * a change. start-to-close holds the most that one try may take: two scripts.
 */

/** Longest that an exec may wait for its turn on the SSH connection, the connection's set-up included. */
export const EXEC_QUEUE_LIMIT_MS = 8_000;
/** Longest that a read on the RDS may run, from the moment it was sent; and a change whose connection was lost meanwhile. */
export const EXEC_LIMIT_MS = 20_000;
/** Longest that a change is waited for while its connection is alive, from the moment it was sent. */
export const CHANGE_LIMIT_MS = 120_000;
/** A worker that has not been heard of for so long is dead. */
export const HEARTBEAT_TIMEOUT_MS = 25_000;
export const HEARTBEAT_INTERVAL_MS = 2_000;
/** A try that waited longer for an earlier one of the same volume, in the same process, leaves the work to the next one. */
export const TURN_LIMIT_MS = 40_000;
/** Longest that one try of an activity on the RDS may take: its turn, and 2 × (queue + change). Heartbeats tell a dead worker earlier. */
export const START_TO_CLOSE_TIMEOUT_MS = 300_000;
/** Longest that one try of asking the cluster may take: it sends no heartbeats, so this also tells that its process is dead. */
export const CLUSTER_STEP_TIMEOUT_MS = 10_000;
/** Longest that Kubernetes may take to answer one call, a page of a list: less than a step that asks the cluster. */
export const CLUSTER_CALL_LIMIT_MS = 5_000;
/** Back-off between tries: 1 s, doubled, at most 12 s, for ever. */
export const RETRY_INITIAL_INTERVAL_MS = 1_000;
/**
 * The last try before the RDS returns may take 5 s to find that it cannot connect: with these 12 s, and what the next try takes,
 * an operation is complete within 20 s of the return.
 */
export const RETRY_MAXIMUM_INTERVAL_MS = 12_000;
/**
 * An RPC answers so much before its caller's deadline, so that the caller learns the cause: a twentieth of the time that it has, within
 * these. The kubelet's two minutes leave room for a slow answer of Temporal; the sidecars' ten seconds are not made much shorter.
 */
export const ANSWER_BEFORE_DEADLINE = { share: 1 / 20, leastMs: 500, mostMs: 5_000 } as const;
/** Longest that an RPC without a deadline waits. */
export const LONGEST_WAIT_MS = 120_000;
/** Longest that a call to Temporal may take before it counts as unreachable. */
export const TEMPORAL_CALL_LIMIT_MS = 4_000;
/**
 * Longest that one try of connecting (up to four addresses, 20 s each), mounting or unmounting on a node may take, its turns
 * included: 60 s for the volume's own; 75 s for each of up to three looks at its device, or three times 60 s until it may connect.
 */
export const NODE_STEP_TIMEOUT_MS = 480_000;
/** Longest that making a file system, or growing one, may take. */
export const NODE_FORMAT_TIMEOUT_MS = 1_800_000;
/** Longest that reconcile waits for a node to say what it has: one that is off does not answer at all. */
export const NODE_ANSWER_LIMIT_MS = 5_000;
/** A node that has not been heard of for so long is dead, or its process was killed. */
export const NODE_HEARTBEAT_TIMEOUT_MS = 10_000;
