import type { NodeId, SubsystemNqn } from '../../domain/nqn';
import type { Bytes } from '../../domain/size';
import type { VolumeId } from '../../domain/volume-id';

/** Where a volume is exported, and how a node keeps its connection. */
export interface ConnectTarget {
  readonly nqn: SubsystemNqn;
  /** IP address or host name of the data network. */
  readonly address: string;
  readonly port: number;
  /** Path of the backing file on the RDS, with its leading slash: for connectors that do not go over the network. */
  readonly filePath: string;
  /** Seconds; -1: never give a lost connection up. */
  readonly ctrlLossTmo: number;
  /** Seconds between tries to reconnect. */
  readonly reconnectDelay: number;
  /** Seconds; undefined: the kernel's own. */
  readonly keepAliveTmo: number | undefined;
}

/** A volume's block device on this node, as the kernel shows it now. Its path changes from one connection to the next: never keep it. */
export interface Device {
  readonly nqn: SubsystemNqn;
  /** `/dev/nvme0n1`. */
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  readonly sizeBytes: Bytes;
  /** The state of its connection in the kernel's words: `live`, `connecting`, …; `live` where there is none to lose. */
  readonly state: string;
}

/** A connection as the kernel shows it. */
export interface Session {
  /** In the kernel's words; `live` if one of its controllers is. */
  readonly state: string;
  /** Whether it was made in this node's name, by its host NQN: by this driver. */
  readonly isOurs: boolean;
}

/** Connects volumes to this node, one device for each NQN. All look by NQN in the kernel's own tables, every time. */
export interface ConnectorPort {
  /**
   * Connects unless it is connected, and returns the device once the kernel has it, live and with a size: a session that is being
   * made anew is waited for, one on its way out is waited for and then connected again. Only what this call connected is taken
   * away again if it fails. Throws ConnectFailed, NodeTimeout (says what there is), NodeToolMissing, NodeToolFailed, and
   * DeviceMismatch if what is connected is not the file that was asked for.
   */
  connect(target: ConnectTarget): Promise<{ readonly device: Device; readonly connectedNow: boolean }>;

  /**
   * The device, or undefined if the kernel has no connection of that NQN. One without a device that can be used, lost or not there
   * yet: DeviceMismatch. Touches no device: it answers whatever state the connection is in.
   */
  find(nqn: SubsystemNqn): Promise<Device | undefined>;

  /**
   * The NQN of a volume's connection, by the ID that it ends with: for a volume of which nothing else is known. Undefined: there is
   * none. Several: DeviceMismatch.
   */
  findNqnOf(volumeId: VolumeId): Promise<SubsystemNqn | undefined>;

  /**
   * Every connection that the kernel has, by NQN: foreign ones too, which are nobody's to touch. Empty where there is no connection
   * to lose. Throws NodeToolFailed.
   */
  sessions(): Promise<ReadonlyMap<string, Session>>;

  /**
   * Looks anew at how large the device is, and returns it; waits a while for it to have `atLeastBytes`, and returns it without them
   * all the same. Undefined: not connected. Throws ConnectFailed (not live just now), NodeToolFailed.
   */
  rescan(nqn: SubsystemNqn, atLeastBytes?: Bytes): Promise<Device | undefined>;

  /**
   * Disconnects, and returns when the kernel has no connection of that NQN left. Not connected: done. Throws NodeTimeout, and
   * MountBusy, with nothing done, while the device or a partition of it is mounted, in whatever namespace, or has another on it.
   */
  disconnect(nqn: SubsystemNqn): Promise<void>;
}

/** Who this node is to the RDS: the same for ever, whatever container asks. */
export interface HostIdentity {
  readonly nodeId: NodeId;
  readonly hostNqn: string;
  readonly hostId: string;
}
