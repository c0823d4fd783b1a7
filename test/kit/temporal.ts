import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { ensureSearchAttributes } from '../../temporal/search-attributes';
import { startTemporalServer, type TemporalServer } from '../../temporal/server';
import { TEST_TEMPORAL_ADDRESS } from './temporal-run';

/** A namespace of the run's Temporal server that nothing else uses: same task queues and workflow IDs do not meet. */
export interface TestNamespace {
  readonly address: string;
  readonly namespace: string;
  readonly client: Client;
  close(): Promise<void>;
}

/** Takes about 20 ms: one for each test file, or each test. */
export async function createTestNamespace(): Promise<TestNamespace> {
  const address = process.env[TEST_TEMPORAL_ADDRESS];
  if (!address)
    throw new Error(`${TEST_TEMPORAL_ADDRESS} is not set: this test runs in a jest project with temporal-setup.ts`);
  const namespace = `test-${randomUUID()}`;
  const connection = await Connection.connect({ address });
  const retention = msToTs('1 day');
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: retention });
  await ensureSearchAttributes({ connection, namespace, log: () => {} });
  return { address, namespace, client: new Client({ connection, namespace }), close: () => connection.close() };
}

/** The SDK in the test's own process logs errors alone: faults are what many tests are about. */
export function quietTemporal(): void {
  if (Runtime._instance) return;
  const logging = { filter: 'ERROR', forward: {} };
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging } });
}

/** A connection for a worker in the test's own process. */
export async function connectTestWorker(address: string): Promise<NativeConnection> {
  quietTemporal();
  return await NativeConnection.connect({ address });
}

/** The bundle that `npm run build` made, for `Worker.create({ workflowBundle })`. */
export function testWorkflowBundle(): { readonly codePath: string } {
  const codePath = path.resolve(__dirname, '../../dist/workflow-bundle.js');
  if (!existsSync(codePath)) throw new Error(`${codePath} is missing: npm run build`);
  return { codePath };
}

export interface OwnTemporalOptions {
  readonly dbFilename?: string;
  readonly port?: number;
}

/** A server for tests that stop it. Ready in about 2 s; embedded whatever TEMPORAL_ADDRESS says. */
export async function startOwnTemporal(options: OwnTemporalOptions = {}): Promise<TemporalServer> {
  const { TEMPORAL_ADDRESS: _ignored, ...env } = process.env;
  return await startTemporalServer({ ...options, env, log: (line) => process.stderr.write(`temporal: ${line}\n`) });
}
