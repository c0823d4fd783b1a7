/** Reasons of the Kubernetes events that the driver posts: the names of the existing Go driver where it has one. Closed. */
export const EVENT_REASONS = [
  'VolumeAttached',
  'VolumeDetached',
  'AttachmentConflict',
  'AttachmentInUse',
  'StaleAttachmentCleared',
  'MigrationStarted',
  'MigrationCompleted',
  'MigrationFailed',
  'MountFailure',
  'StaleMountDetected',
  'MountRecovered',
  'RecoveryFailed',
  'ConnectionFailure',
  'ConnectionRecovery',
  'OrphanDetected',
  'OrphanCleaned',
  'VolumeLost',
  'RDSDisconnected',
  'RDSReconnected',
  'StartupReconciliation',
  'ReconcileStopped',
] as const;

/** What an event is about, in one word: an operator filters by it, and a metric counts by it. */
export type EventReason = (typeof EVENT_REASONS)[number];
