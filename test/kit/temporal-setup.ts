import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startTemporalServer } from '../../temporal/server';
import { keepRunServer, TEST_TEMPORAL_ADDRESS } from './temporal-run';

/** jest's globalSetup: one Temporal server for the whole run, with a database file as in use; its address by environment. */
export default async function startRunServer(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-temporal-'));
  const log = (line: string) => process.stderr.write(`temporal: ${line}\n`);
  const server = await startTemporalServer({ log, dbFilename: path.join(folder, 'temporal.db') }).catch(
    async (error) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    },
  );
  process.env[TEST_TEMPORAL_ADDRESS] = server.address;
  keepRunServer({ server, folder });
}
