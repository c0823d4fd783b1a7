/**
 * What can go wrong, in one closed list. One table says of each kind which gRPC code a CSI caller gets, and whether an
 * activity that ended so is tried again. Anything thrown that is no Fault is a bug: INTERNAL, details in the log alone.
 */

/** The gRPC status codes that this driver answers with, by the names of the gRPC specification. */
export type GrpcCodeName =
  | 'ABORTED'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'INTERNAL'
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'OUT_OF_RANGE'
  | 'RESOURCE_EXHAUSTED'
  | 'UNAVAILABLE'
  | 'UNIMPLEMENTED';

interface FaultRule {
  readonly code: GrpcCodeName;
  /** Whether the same activity may be tried again with hope of another end. */
  readonly retryable: boolean;
}

const final = (code: GrpcCodeName): FaultRule => ({ code, retryable: false });
const passing = (code: GrpcCodeName): FaultRule => ({ code, retryable: true });

export const FAULTS = {
  /** A field of the request is missing or malformed; the message names it. */
  InvalidArgument: final('INVALID_ARGUMENT'),
  /** The size asked for cannot be made: below the minimum, above the maximum, or limit below required. */
  SizeOutOfRange: final('OUT_OF_RANGE'),
  VolumeNotFound: final('NOT_FOUND'),
  NodeNotFound: final('NOT_FOUND'),
  /** A volume of this name exists with another size, path or export. */
  VolumeExists: final('ALREADY_EXISTS'),
  /** The pool has no room; the message names pool, free and asked bytes. */
  PoolExhausted: final('RESOURCE_EXHAUSTED'),
  /** The volume is attached, so it cannot be deleted; or to other nodes, so it cannot be attached here. */
  VolumeInUse: final('FAILED_PRECONDITION'),
  /** Attached to this node already, with another access mode or read-only flag. */
  AttachedDifferently: final('ALREADY_EXISTS'),
  /** An object on the RDS bears the volume's slot but is not this driver's by path or NQN: left untouched. */
  NotOurs: final('FAILED_PRECONDITION'),
  /** The RDS cannot be reached or does not let us in; nothing was sent. */
  ArrayUnreachable: passing('UNAVAILABLE'),
  /** A script was sent and its end not seen: it may have taken effect. */
  ArrayNoAnswer: passing('UNAVAILABLE'),
  /** The answer could not be read. Never taken for "absent". */
  ArrayUnreadable: passing('UNAVAILABLE'),
  /** RouterOS refused the command, in its own words. */
  ArrayRefused: final('INTERNAL'),
  /** A change was made without complaint, but does not read back yet (a file still being deleted): look again. */
  ArrayUnsettled: passing('UNAVAILABLE'),
  /** RouterOS took the command and the state read back contradicts it. */
  ArrayContractBroken: final('INTERNAL'),
  /** A program that the node needs is not installed; the message names it. */
  NodeToolMissing: final('FAILED_PRECONDITION'),
  /** A program or system call of the node failed, in its own words. */
  NodeToolFailed: final('INTERNAL'),
  /** A program of the node crashed, or was killed (nvme-cli does so where sessions come and go at once; the kernel, for want of memory). */
  NodeToolCrashed: passing('UNAVAILABLE'),
  /** Something on the node did not answer in time: a dead mount, a device that hangs. */
  NodeTimeout: passing('UNAVAILABLE'),
  /** The node cannot connect to the volume's export now. */
  ConnectFailed: passing('UNAVAILABLE'),
  /** The connection that an earlier step has made is gone (a reboot): only the whole operation, begun anew, makes it again. */
  ConnectionLost: final('UNAVAILABLE'),
  /** The device has something on it, or something that cannot be told, and is not formatted; the message says what was found. */
  DeviceNotBlank: final('FAILED_PRECONDITION'),
  /** There is no file system on the device, and none may be made: it is wanted read-only. */
  DeviceBlank: final('FAILED_PRECONDITION'),
  /** The device is not the one that was asked for, by its NQN, size or numbers. */
  DeviceMismatch: final('INTERNAL'),
  /** Somebody still uses the mount or the device; the message says who, where that can be known. */
  MountBusy: passing('UNAVAILABLE'),
  /** Staged at this path already, in another way. */
  StagedDifferently: final('ALREADY_EXISTS'),
  /** A stage has failed, and so has taking back what it had made: no answer may say that nothing of it is there. */
  StageNotUndone: final('UNAVAILABLE'),
  /** The node's process has begun anew, and nobody has asked it for this stage yet: perhaps nobody wants it any more. */
  StageUnasked: passing('UNAVAILABLE'),
  /** Nobody has asked for this stage for long: it is given up, and undone. */
  StageUnwanted: final('UNAVAILABLE'),
  /** Published at this path already, in another way. */
  PublishedDifferently: final('ALREADY_EXISTS'),
  /** Not staged on this node, so it cannot be published or grown here. */
  NotStaged: final('FAILED_PRECONDITION'),
  /** What was staged has lost its device for good: it must be staged anew. */
  StageLost: final('FAILED_PRECONDITION'),
  /** There is something at the path that is not this driver's: left untouched. */
  PathNotOurs: final('FAILED_PRECONDITION'),
  /** The operation's workflow is still running. */
  OperationPending: final('ABORTED'),
  /** Another operation of the same volume is running. */
  OperationConflict: final('ABORTED'),
  /** The operation was cancelled by one that negates it. */
  OperationCancelled: final('ABORTED'),
  /** The Kubernetes API server cannot be asked, or does not let us: nothing is known of the cluster. */
  ClusterUnreachable: passing('UNAVAILABLE'),
  /** Temporal cannot be reached. */
  TemporalUnreachable: passing('UNAVAILABLE'),
  /** The paging token was not given out by this driver. */
  BadStartingToken: final('ABORTED'),
  /** The RPC is not served by this process. */
  Unimplemented: final('UNIMPLEMENTED'),
} as const satisfies Record<string, FaultRule>;

export type FaultKind = keyof typeof FAULTS;

/** Whether a text names a kind of fault: what came over a wire is checked by it. */
export function isFaultKind(text: string): text is FaultKind {
  return Object.hasOwn(FAULTS, text);
}

/** The only error that this program throws on purpose. The message is for a person: what, which volume, numbers. No secrets. */
export class Fault extends Error {
  override readonly name = 'Fault';

  constructor(
    readonly kind: FaultKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get code(): GrpcCodeName {
    return FAULTS[this.kind].code;
  }

  get retryable(): boolean {
    return FAULTS[this.kind].retryable;
  }
}
