import { type Findings, type LostVolume, ORPHAN_KINDS, type Orphan, type StaleAttachment } from '../domain/stock';
import type { FoundAttachments } from './operations';

/**
 * Reconcile: its input, its findings and its summary, as they are stored in histories and shown in the Web UI. Grows, never renames.
 */

/** One Schedule starts all runs: on its interval, and when it is triggered. */
export const RECONCILE_SCHEDULE_ID = 'rds-csi-reconcile';
/** Temporal puts the time behind it. */
export const RECONCILE_WORKFLOW_ID = 'reconcile';
/** Asks a run that is waiting to look again at once. */
export const LOOK_AGAIN_SIGNAL = 'lookAgain';

export interface ReconcileInput {
  readonly clusterId: string;
  /** Under which Kubernetes knows the driver. With the cluster's ID it says whose the Schedule is, and the namespace with it. */
  readonly driverName?: string;
  /** How long an attachment must be seen stale before it is cleared. */
  readonly graceSeconds: number;
  /** How long something must be seen without an owner before it is told. */
  readonly orphanAgeSeconds: number;
  /** How long before it is deleted, if it is this cluster's; absent: never. */
  readonly deleteOrphansAfterSeconds?: number;
}

/** What the RDS and the cluster differ in, with how much was looked at. Long lists are cut: the next run sees the rest. */
export interface FindingsDto extends Findings {
  readonly seen: SeenDto;
}

export interface SeenDto {
  readonly volumes: number;
  readonly attachments: number;
  /** Absent without Kubernetes. */
  readonly persistentVolumes?: number;
  readonly nodes?: number;
}

export interface RepairVolumeInput {
  readonly volumeId: string;
  readonly clusterId: string;
  readonly repair: RepairDto;
}

/** One thing to be put right on a volume, which is looked at once more under its lock. */
export type RepairDto =
  | { readonly kind: 'clear-attachments'; readonly stale: readonly Pick<StaleAttachment, 'nodeId' | 'why'>[] }
  | { readonly kind: 'restore-export' }
  | { readonly kind: 'delete-orphan' };

/** What has been found of a volume's stale attachments, under its lock. */
export interface ConfirmedStaleDto extends Omit<FoundAttachments, 'attachments'> {
  /** How many of the nodes that were asked about the record names. */
  readonly named: number;
  readonly stale: readonly Pick<StaleAttachment, 'nodeId' | 'why'>[];
}

export interface RepairResult {
  readonly done: boolean;
  /** What was done, or why nothing was, for a person. */
  readonly what: string;
}

/** An orphan, and since when it has been one. */
export interface OrphanSightingDto extends Orphan {
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** One thing that was put right. */
export interface DoneDto {
  readonly action: 'clear' | 'restore' | 'delete';
  /** For a person. */
  readonly what: string;
}

/** What a run saw, did and left. The next run begins with it: Temporal hands it on. */
export interface ReconcileSummary {
  readonly seen: SeenDto;
  readonly done: readonly DoneDto[];
  /** A line for each thing that was not, and why. */
  readonly left: readonly string[];
  readonly orphans: readonly OrphanSightingDto[];
  readonly lostVolumes: readonly LostVolume[];
  /** Why nothing was done at all; absent: it was a whole run. */
  readonly stopped?: string;
  /** When it looked, in milliseconds since 1970; absent in summaries of earlier releases. */
  readonly seenMs?: number;
  /** When the cluster was last seen without a PersistentVolume; absent: never. */
  readonly emptyMs?: number;
}

/** The summary that the run before ended with; undefined if there is none that can be read: then everything's age begins anew. */
export function parseSummary(result: unknown): Pick<ReconcileSummary, 'orphans' | 'seenMs' | 'emptyMs'> | undefined {
  if (typeof result !== 'object' || result === null || !('orphans' in result) || !Array.isArray(result.orphans)) {
    return undefined;
  }
  const orphans = result.orphans as readonly unknown[];
  if (!orphans.every(isOrphanSighting)) return undefined;
  return { orphans, ...timeIn(result, 'seenMs'), ...timeIn(result, 'emptyMs') };
}

function timeIn<Key extends 'seenMs' | 'emptyMs'>(result: object, key: Key): { readonly [K in Key]?: number } {
  const value: unknown = Reflect.get(result, key);
  return typeof value === 'number' && Number.isFinite(value) ? ({ [key]: value } as { [K in Key]: number }) : {};
}

function isOrphanSighting(value: unknown): value is OrphanSightingDto {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, volumeId, path, sizeBytes, sinceMs } = value as Record<string, unknown>;
  const isKind = ORPHAN_KINDS.some((known) => known === kind);
  const areTexts = [volumeId, path, sizeBytes].every((text) => typeof text === 'string');
  return isKind && areTexts && typeof sinceMs === 'number' && Number.isFinite(sinceMs);
}
