import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../domain/fault';
import { IdentityClient, IdentityService, type ProbeResponse } from './generated/csi';
import { type CsiServer, startCsiServer } from './server';
import { unary } from './unary';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const seen: [string, string][] = [];
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const scope = {
  logger,
  observe: (rpc: string, code: string) => void seen.push([rpc, code]),
  stopping: new AbortController().signal,
};
function newSocketPath(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-server-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'csi.sock');
}

async function serve(socketPath: string, probe: () => Promise<ProbeResponse> | ProbeResponse): Promise<CsiServer> {
  const implementation = { probe: unary(scope, 'Probe', probe) };
  const server = await startCsiServer({ socketPath, services: [{ definition: IdentityService, implementation }] });
  ends.push(() => server.stop(0));
  return server;
}

function call(socketPath: string): Promise<ProbeResponse | ServiceError> {
  const client = new IdentityClient(`unix:${socketPath}`, credentials.createInsecure());
  ends.push(() => client.close());
  return new Promise((resolve) => client.probe({}, (error, reply) => resolve(error ?? reply)));
}

describe('startCsiServer', () => {
  it('answers, tells faults by their codes, and counts both', async () => {
    const socketPath = newSocketPath();
    const replies = [() => ({ ready: true }), () => Promise.reject(new Fault('VolumeInUse', 'node-a has it'))];
    await serve(socketPath, () => replies.shift()?.() ?? { ready: false });
    expect(await call(socketPath)).toEqual({ ready: true });
    expect(await call(socketPath)).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'node-a has it' });
    expect(seen).toEqual([
      ['Probe', 'OK'],
      ['Probe', 'FAILED_PRECONDITION'],
    ]);
  });

  it('answers UNIMPLEMENTED to what it does not serve', async () => {
    const socketPath = newSocketPath();
    await serve(socketPath, () => ({ ready: true }));
    const client = new IdentityClient(`unix:${socketPath}`, credentials.createInsecure());
    ends.push(() => client.close());
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.getPluginInfo({}, (failure) => resolve(failure)),
    );
    expect(error?.code).toBe(status.UNIMPLEMENTED);
  });

  it('takes the place of a socket that a killed process has left', async () => {
    const socketPath = newSocketPath();
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(`${socketPath}.dead`, resolve));
    // A hard link outlives the server that unlinks its own name.
    linkSync(`${socketPath}.dead`, socketPath);
    await new Promise((resolve) => dead.close(resolve));
    await serve(socketPath, () => ({ ready: true }));
    expect(await call(socketPath)).toEqual({ ready: true });
  });

  it('does not take the place of one that answers, nor of a file', async () => {
    const socketPath = newSocketPath();
    await serve(socketPath, () => ({ ready: true }));
    await expect(serve(socketPath, () => ({ ready: false }))).rejects.toThrow(/another process serves/);
    expect(await call(socketPath)).toEqual({ ready: true });
    writeFileSync(`${socketPath}.txt`, 'precious');
    await expect(serve(`${socketPath}.txt`, () => ({ ready: false }))).rejects.toThrow(/is no socket/);
  });

  it('lets a call that is under way end when it stops', async () => {
    const socketPath = newSocketPath();
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const server = await serve(socketPath, async () => {
      entered.resolve();
      await gate.promise;
      return { ready: true };
    });
    const reply = call(socketPath);
    await entered.promise;
    const stopped = server.stop(10_000);
    gate.resolve();
    expect(await reply).toEqual({ ready: true });
    for (const closeClient of ends.splice(2)) await closeClient();
    await stopped;
  });
});
