import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ReconcileSummary } from '../contract/reconcile';
import { ORPHAN_KINDS } from '../domain/stock';

/** From a look at a quiet RDS to a grace, and to a run that waits for an outage to end, in seconds. */
const RUN_BUCKETS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900, 3_600];

interface Pass {
  readonly summary: ReconcileSummary;
  readonly seconds: number;
}

/** What reconcile does, counted where its runs end. */
export function observeReconcileIn(registry: Registry): (pass: Pass) => void {
  const registers = [registry];
  const actions = new Counter({
    name: 'rds_csi_attachment_reconcile_total',
    help: 'What reconcile did, by action: clear (a stale attachment), restore (an export), delete (an orphan); left: nothing was done',
    labelNames: ['action'],
    registers,
  });
  const cleaned = new Counter({ name: 'rds_csi_orphans_cleaned_total', help: 'Orphans that were deleted', registers });
  const orphans = new Gauge({
    name: 'rds_csi_orphans',
    help: 'Disks and files without an owner, as the latest run has found them, by kind',
    labelNames: ['kind'],
    registers,
  });
  const attachments = new Gauge({
    name: 'rds_csi_attachments',
    help: 'Nodes that the records of this cluster’s volumes name, as the latest run has found them',
    registers,
  });
  const durations = new Histogram({
    name: 'rds_csi_reconcile_duration_seconds',
    help: 'Time of a run of reconcile, graces included, by result (complete, stopped)',
    labelNames: ['result'],
    buckets: RUN_BUCKETS,
    registers,
  });
  return ({ summary, seconds }) => {
    durations.observe({ result: summary.stopped === undefined ? 'complete' : 'stopped' }, seconds);
    for (const { action } of summary.done) actions.inc({ action });
    actions.inc({ action: 'left' }, summary.left.length);
    cleaned.inc(summary.done.filter(({ action }) => action === 'delete').length);
    attachments.set(summary.seen.attachments);
    for (const kind of ORPHAN_KINDS) orphans.set({ kind }, summary.orphans.filter((each) => each.kind === kind).length);
  };
}
