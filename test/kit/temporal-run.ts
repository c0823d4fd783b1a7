import type { TemporalServer } from '../../temporal/server';

/** Environment variable through which the tests of a run learn the address of its server. */
export const TEST_TEMPORAL_ADDRESS = 'RDS_CSI_TEST_TEMPORAL_ADDRESS';

export interface RunServer {
  readonly server: TemporalServer;
  /** Where its database is. */
  readonly folder: string;
}

// jest loads its setup and its teardown each by itself: only the process is common to them.
const key = Symbol.for('rds-csi.test.temporal');
const place: typeof globalThis & { [key]?: RunServer | undefined } = globalThis;

export function keepRunServer(run: RunServer): void {
  place[key] = run;
}

export function takeRunServer(): RunServer | undefined {
  const run = place[key];
  place[key] = undefined;
  return run;
}
