import type { MetricsActivities } from '../contract/activities';
import type { OutcomeDto } from '../contract/operations';

/** Counts what workflows decide, in the process that happens to be asked. */
export function createMetricsActivities({
  onOutcome,
}: {
  readonly onOutcome: (outcome: OutcomeDto) => void;
}): MetricsActivities {
  return {
    countOutcome: (outcome) => Promise.resolve(onOutcome(outcome)),
  };
}
