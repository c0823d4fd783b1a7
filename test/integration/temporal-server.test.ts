import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { temporal } from '@temporalio/proto';
import { startTemporalServer, type TemporalServer } from '../../temporal/server';
import { startOwnTemporal } from '../kit/temporal';
import { TEST_TEMPORAL_ADDRESS } from '../kit/temporal-run';

const DIST_SERVER = path.resolve(__dirname, '../../dist/temporal/server.js');
const LIMIT_MS = 60_000;

let folder: string;
let servers: TemporalServer[];
const start = async (...args: Parameters<typeof startOwnTemporal>): Promise<TemporalServer> => {
  const server = await startOwnTemporal(...args);
  servers.push(server);
  return server;
};

beforeEach(async () => {
  servers = [];
  folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-temporal-server-'));
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

const portOf = (address: string) => Number(address.split(':').at(-1));

async function isListening(address: string): Promise<boolean> {
  const probe = createServer();
  return await new Promise((resolve) => {
    probe.once('error', () => resolve(true));
    probe.listen(portOf(address), '127.0.0.1', () => probe.close(() => resolve(false)));
  });
}

async function startWorkflow(address: string, workflowId: string): Promise<void> {
  const connection = await Connection.connect({ address });
  const searchAttributes = { VolumeId: [workflowId], NodeId: ['node-1'] };
  await new Client({ connection }).workflow.start('none', { taskQueue: 'nobody', workflowId, searchAttributes });
  await connection.close();
}

async function countWorkflows(address: string, query: string): Promise<number> {
  const connection = await Connection.connect({ address });
  const { count } = await new Client({ connection }).workflow.count(query);
  await connection.close();
  return count;
}

describe('an embedded Temporal server', () => {
  it(
    'is ready for workflows when it is started, shows its Web UI, and keeps what it has in its file',
    async () => {
      const dbFilename = path.join(folder, 'not/there/yet/temporal.db');
      const first = await start({ dbFilename });
      await startWorkflow(first.address, 'one');
      expect((await fetch(first.uiUrl ?? '')).status).toBe(200);
      await first.stop();
      expect(await isListening(first.address)).toBe(false);

      const second = await start({ dbFilename });
      expect(await countWorkflows(second.address, 'VolumeId = "one" AND NodeId = "node-1"')).toBe(1);
    },
    LIMIT_MS,
  );

  it(
    'listens on the ports asked for, and says what is wrong when one is taken',
    async () => {
      const first = await start();
      const taken = start({ port: portOf(first.address) });
      await expect(taken).rejects.toThrow(
        /embedded Temporal server cannot listen there: listen EADDRINUSE.*127\.0\.0\.1/,
      );
    },
    LIMIT_MS,
  );

  it(
    'does not outlive a process that is killed',
    async () => {
      const program = `
        require(process.argv[1]).startTemporalServer({ log: console.error }).then(({ address }) => console.log(address));
        setInterval(() => {}, 1000);`;
      const { TEMPORAL_ADDRESS: _ignored, ...env } = process.env;
      const owner = spawn(process.execPath, ['-e', program, DIST_SERVER], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const address = await new Promise<string>((resolve) =>
        createInterface({ input: owner.stdout }).once('line', resolve),
      );
      expect(await isListening(address)).toBe(true);
      owner.kill('SIGKILL');
      while (await isListening(address)) await delay(50);
    },
    LIMIT_MS,
  );

  it('is not started once it is not wanted', async () => {
    const start = startTemporalServer({ log: () => {}, env: process.env, signal: AbortSignal.abort() });
    await expect(start).rejects.toThrow(/abort/i);
  });
});

describe('a server that TEMPORAL_ADDRESS names', () => {
  const address = () => process.env[TEST_TEMPORAL_ADDRESS] ?? '';

  async function registerNamespace(attributes: Record<string, number>): Promise<string> {
    const namespace = `test-${randomUUID()}`;
    const connection = await Connection.connect({ address: address() });
    const retention = msToTs('1 day');
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: retention });
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: attributes });
    await connection.close();
    return namespace;
  }
  const { INDEXED_VALUE_TYPE_KEYWORD, INDEXED_VALUE_TYPE_TEXT } = temporal.api.enums.v1.IndexedValueType;

  it('is used, gets the search attributes that it lacks, and is left running', async () => {
    const namespace = await registerNamespace({ NodeId: INDEXED_VALUE_TYPE_KEYWORD });
    const lines: string[] = [];
    const options = { env: { TEMPORAL_ADDRESS: address() }, namespace, log: (line: string) => lines.push(line) };
    const server = await startTemporalServer(options);
    expect(server).toMatchObject({ address: address(), uiUrl: undefined, namespace });
    expect(lines).toEqual([`registered search attributes in Temporal namespace ${namespace}: VolumeId`]);
    await server.stop();
    await startTemporalServer(options);
    expect(lines).toHaveLength(1);
  });

  it('is refused if a search attribute has another type', async () => {
    const namespace = await registerNamespace({ VolumeId: INDEXED_VALUE_TYPE_TEXT });
    const server = startTemporalServer({ env: { TEMPORAL_ADDRESS: address() }, namespace, log: () => {} });
    await expect(server).rejects.toThrow(`search attribute VolumeId of Temporal namespace ${namespace} is`);
  });

  it.each([
    ['nobody listens', '127.0.0.1:1', 'default', /Temporal at 127.0.0.1:1, namespace default: /],
    ['there is no such namespace', undefined, 'missing', /namespace missing: .*not found/i],
  ])(
    'is an error that says so where %s',
    async (_fact, elsewhere, namespace, message) => {
      const env = { TEMPORAL_ADDRESS: elsewhere ?? address() };
      await expect(startTemporalServer({ env, namespace, log: () => {} })).rejects.toThrow(message);
    },
    15_000,
  );
});
