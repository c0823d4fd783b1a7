import type { EventReason } from '../../domain/event-reason';

/** A Node, as far as attachments depend on it. */
export interface ClusterNode {
  /** Name of the Node, which is the CSI node ID. */
  readonly nodeId: string;
  /** Whether its condition Ready is True; Unknown (the kubelet is not heard of) is not ready. */
  readonly ready: boolean;
  /** Whether it has the taint `node.kubernetes.io/out-of-service`: a person vouches that it is off. */
  readonly outOfService: boolean;
}

/** A VolumeAttachment of this driver: that Kubernetes wants, or has, a volume attached to a node. */
export interface ClusterAttachment {
  readonly name: string;
  /**
   * The CSI volume ID. Undefined where the PersistentVolume that it names is not there, so that nobody can tell which volume it is
   * about: whoever looks for a volume's attachments then knows that any of these may be one.
   */
  readonly volumeId: string | undefined;
  /** The PersistentVolume that it names; undefined for an inline volume. */
  readonly volumeName: string | undefined;
  readonly nodeId: string;
  readonly attached: boolean;
  /** Whether it is being deleted: the attacher is to detach the volume. */
  readonly deleting: boolean;
}

/** A PersistentVolume of this driver. */
export interface ClusterVolume {
  readonly name: string;
  /** The CSI volume ID (`spec.csi.volumeHandle`). */
  readonly volumeId: string;
  /** The claim that it is bound to, or kept for. */
  readonly claim?: { readonly namespace: string; readonly name: string };
  readonly deleting: boolean;
}

/** What an event stands on. */
export type EventObject =
  | { readonly kind: 'PersistentVolumeClaim'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'PersistentVolume'; readonly name: string }
  | { readonly kind: 'Node'; readonly name: string }
  | { readonly kind: 'Pod'; readonly namespace: string; readonly name: string }
  /** The Pod of this process. */
  | { readonly kind: 'Controller' };

/** A volume: the event stands on its claim, else its PersistentVolume, else the Pod of this process. */
export interface EventVolume {
  readonly volumeId: string;
  readonly claim?: { readonly namespace: string; readonly name: string };
}

/** An event for people: `kubectl describe` of the object shows it. */
export interface ClusterEvent {
  readonly reason: EventReason;
  readonly type: 'Normal' | 'Warning';
  /** Cut at 1 kB. */
  readonly message: string;
  readonly on: EventObject | EventVolume;
}

/**
 * What the Kubernetes cluster believes, asked live: no answer comes from a cache that may be empty or old. Each throws
 * ClusterUnreachable where the API server does not answer in time, refuses, or answers something else than what was asked for;
 * "not found" is only what the API server itself says of that very object.
 */
export interface ClusterPort {
  /** The Node; undefined if the cluster has none of this name. */
  findNode(nodeId: string): Promise<ClusterNode | undefined>;
  listNodes(): Promise<readonly ClusterNode[]>;
  /** The VolumeAttachments whose attacher is this driver. */
  listAttachments(): Promise<readonly ClusterAttachment[]>;
  /** The PersistentVolumes whose driver is this one. */
  listVolumes(): Promise<readonly ClusterVolume[]>;
  /** Repeats of an event are counted in it. Throws ClusterUnreachable if it could not be posted, or there is nothing to post it on. */
  postEvent(event: ClusterEvent): Promise<void>;
}
