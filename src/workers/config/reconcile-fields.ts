import type { ReconcileInput } from '../../contract/reconcile';
import { defaultField, optionalField } from './field';
import type { ParsedFields } from './load';
import { durationSchema } from './schemas';

const DAY_SECONDS = 86_400;

/** How often the RDS is held against the cluster, and what is done about what differs. */
export const RECONCILE_FIELDS = {
  reconcileInterval: defaultField({
    help: 'how often the RDS is held against the cluster',
    placeholder: 'duration',
    schema: durationSchema(5, DAY_SECONDS),
    default: '5m',
  }),
  reconcileGrace: defaultField({
    help: 'how long an attachment that nothing backs stays before it is cleared',
    placeholder: 'duration',
    schema: durationSchema(1, DAY_SECONDS),
    default: '30s',
  }),
  orphanAge: defaultField({
    help: 'how long a disk or file without an owner is waited with before it is told',
    placeholder: 'duration',
    schema: durationSchema(1, 365 * DAY_SECONDS),
    default: '10m',
  }),
  deleteOrphansAfter: optionalField({
    help: 'how long after which a disk that bears this cluster’s record, and no PersistentVolume is about, is deleted with its data',
    placeholder: 'duration',
    schema: durationSchema(1, 365 * DAY_SECONDS),
    otherwise: 'none is ever deleted',
  }),
};

type ReconcileFields = ParsedFields<typeof RECONCILE_FIELDS>;

export interface ReconcileConfig {
  readonly intervalSeconds: number;
  readonly rules: Omit<ReconcileInput, 'clusterId'>;
}

export function checkReconcile(fields: Pick<ReconcileFields, 'values' | 'refuse'>): void {
  const { deleteOrphansAfter, orphanAge } = fields.values;
  if (deleteOrphansAfter === undefined || orphanAge === undefined || deleteOrphansAfter >= orphanAge) return;
  fields.refuse('deleteOrphansAfter', 'is less than orphanAge: nothing is deleted before it was told');
}

export function reconcileConfigOf(values: ReturnType<ReconcileFields['complete']>): ReconcileConfig {
  const { reconcileInterval, reconcileGrace, orphanAge, deleteOrphansAfter } = values;
  return {
    intervalSeconds: reconcileInterval,
    rules: {
      graceSeconds: reconcileGrace,
      orphanAgeSeconds: orphanAge,
      ...(deleteOrphansAfter === undefined ? {} : { deleteOrphansAfterSeconds: deleteOrphansAfter }),
    },
  };
}
