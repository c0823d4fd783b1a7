import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AttachmentEvent } from '../activities/attachment-activities';
import type { OutcomeDto } from '../contract/operations';
import { findMigration } from '../domain/migration';
import type { ClusterId } from '../domain/record';
import type { Volume } from '../domain/volume';

/** From one command to the limit of a try, in seconds. */
const ATTACHMENT_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60];
/** Around the window of a migration, 30 to 3600 s. */
const MIGRATION_BUCKETS = [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
/** A list that is older says nothing of now: then there is no sample. The attacher lists every minute, where it is the leader. */
const SAMPLE_LIFETIME_MS = 600_000;

export interface AttachmentMetrics {
  readonly observeAttachment: (event: AttachmentEvent) => void;
  readonly observeOutcome: (outcome: OutcomeDto) => void;
  /** All volumes were listed: as many of this cluster's are written to by two nodes. */
  readonly sampleVolumes: (volumes: readonly Volume[], clusterId: ClusterId) => void;
}

/** Metrics of attachments and live migrations, by the names of the existing Go driver. */
export function createAttachmentMetrics(registry: Registry): AttachmentMetrics {
  const conflicts = new Counter({
    name: 'rds_csi_attachment_conflicts_total',
    help: 'Attachments that were refused because other nodes have the volume',
    registers: [registry],
  });
  const migration = observeMigrationIn(registry);
  return {
    observeAttachment: observeAttachmentIn(registry),
    observeOutcome: (outcome) => (outcome.kind === 'migration' ? migration(outcome) : conflicts.inc()),
    sampleVolumes: sampleVolumesIn(registry),
  };
}

function observeAttachmentIn(registry: Registry): AttachmentMetrics['observeAttachment'] {
  const registers = [registry];
  const counterOf = (name: string, what: string) =>
    new Counter({
      name,
      help: `${what}, by outcome (success, failure); tries that are repeated count once`,
      labelNames: ['status'],
      registers,
    });
  const counters = {
    attach: counterOf('rds_csi_attachment_attach_total', 'Volumes attached to a node'),
    detach: counterOf('rds_csi_attachment_detach_total', 'Volumes detached from a node'),
  };
  const cleared = new Counter({
    name: 'rds_csi_attachment_stale_cleared_total',
    help: 'Attachments taken off a volume because their node is lost',
    registers,
  });
  const durations = new Histogram({
    name: 'rds_csi_attachment_operation_duration_seconds',
    help: 'Time that attaching, detaching or clearing took on the RDS, at the try that ended it',
    labelNames: ['operation'],
    buckets: ATTACHMENT_BUCKETS,
    registers,
  });
  return ({ operation, status, seconds, nodeIds }) => {
    durations.observe({ operation }, seconds);
    if (operation !== 'clear') counters[operation].inc({ status });
    else if (status === 'success') cleared.inc(nodeIds.length);
  };
}

function observeMigrationIn(registry: Registry): (outcome: Extract<OutcomeDto, { kind: 'migration' }>) => void {
  const migrations = new Counter({
    name: 'rds_csi_migration_migrations_total',
    help: 'Live migrations: one node has let go of the volume in time (success), or not (timeout)',
    labelNames: ['result'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'rds_csi_migration_duration_seconds',
    help: 'Time that two nodes had a volume in a migration that ended in time',
    buckets: MIGRATION_BUCKETS,
    registers: [registry],
  });
  return ({ result, seconds }) => {
    migrations.inc({ result });
    if (result === 'success') durations.observe(seconds);
  };
}

/** What the last list of all volumes has shown: counted anew each time, so that nothing adds up wrongly over restarts. */
function sampleVolumesIn(registry: Registry): AttachmentMetrics['sampleVolumes'] {
  let sampledMs = 0;
  const active = new Gauge({
    name: 'rds_csi_migration_active_migrations',
    help: 'Volumes that two nodes write to, as last listed; no sample where nobody has listed for ten minutes',
    registers: [registry],
    collect() {
      if (performance.now() - sampledMs > SAMPLE_LIFETIME_MS) this.remove();
    },
  });
  active.remove();
  return (volumes, clusterId) => {
    sampledMs = performance.now();
    const migrating = volumes.filter(
      ({ record }) => record?.clusterId === clusterId && findMigration(record.attachments) !== undefined,
    );
    active.set(migrating.length);
  };
}
