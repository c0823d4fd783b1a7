import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Gauge, Registry } from 'prom-client';
import type { Logger } from '../domain/log';
import { type HttpServer, startHttpServer } from './http-server';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

describe('the HTTP server', () => {
  const started: HttpServer[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.close()));
  });

  async function start(options: Partial<Parameters<typeof startHttpServer>[0]> = {}) {
    const server = await startHttpServer({
      address: { host: '127.0.0.1', port: 0 },
      registry: new Registry(),
      ready: () => true,
      logger: silent,
      ...options,
    });
    started.push(server);
    return `http://127.0.0.1:${server.address.port}`;
  }

  it.each<[string, string, number, string]>([
    ['GET', '/healthz', 200, 'ok\n'],
    ['GET', '/healthz?verbose', 200, 'ok\n'],
    ['HEAD', '/healthz', 200, ''],
    ['GET', '/readyz', 200, 'ready\n'],
    ['GET', '/', 404, 'not found\n'],
    ['GET', '/metrics/x', 404, 'not found\n'],
    ['POST', '/healthz', 405, 'method not allowed\n'],
    ['DELETE', '/metrics', 405, 'method not allowed\n'],
  ])('answers %s %s with %i', async (method, path, status, body) => {
    const response = await fetch(`${await start()}${path}`, { method });
    expect([response.status, await response.text()]).toEqual([status, body]);
  });

  it('is ready as long as the process is', async () => {
    let ready = false;
    const url = await start({ ready: () => ready });
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    ready = true;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it('serves the metrics in the form that Prometheus reads', async () => {
    const registry = new Registry();
    new Gauge({ name: 'volumes', help: 'volumes', registers: [registry] }).set(3);
    const response = await fetch(`${await start({ registry })}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await response.text()).toContain('volumes 3\n');
  });

  it('tells nobody but the log why metrics fail', async () => {
    const registry = new Registry();
    const collect = (): void => {
      throw new Error('inner detail');
    };
    registry.registerMetric(new Gauge({ name: 'broken', help: 'broken', registers: [], collect }));
    const errors: unknown[] = [];
    const logger = {
      ...silent,
      error: (fields: Readonly<Record<string, unknown>>) => void errors.push(fields['error']),
    };
    const response = await fetch(`${await start({ registry, logger })}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, 'internal error\n']);
    expect(errors).toEqual([expect.objectContaining({ message: 'inner detail' })]);
  });

  it('rejects if its port is taken', async () => {
    const { port } = new URL(await start());
    await expect(start({ address: { host: '127.0.0.1', port: Number(port) } })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  it('closes though a caller holds a connection open', async () => {
    const { port } = new URL(await start());
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await started.pop()?.close();
    await closed;
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('fetch failed');
  });
});
