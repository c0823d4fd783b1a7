import type { EventReason } from '../domain/event-reason';

/** What an event stands on: what a person looks at when something is wrong. */
export type EventObjectDto =
  | { readonly kind: 'PersistentVolumeClaim'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'PersistentVolume'; readonly name: string }
  | { readonly kind: 'Node'; readonly name: string }
  | { readonly kind: 'Pod'; readonly namespace: string; readonly name: string }
  /** The Pod of the controller that posts it. */
  | { readonly kind: 'Controller' };

/** A volume, wherever the cluster shows it: on its claim, else its PersistentVolume, else the Pod of the controller. */
export interface EventVolumeDto {
  readonly volumeId: string;
  /** The claim that the volume was made for, where it is known. */
  readonly claim?: { readonly namespace: string; readonly name: string };
}

/** A Kubernetes event. Stored in histories: grows, is never renamed; no secrets. */
export interface ClusterEventDto {
  readonly reason: EventReason;
  readonly type: 'Normal' | 'Warning';
  /** For a person; cut at 1 kB. */
  readonly message: string;
  readonly on: EventObjectDto | EventVolumeDto;
}
