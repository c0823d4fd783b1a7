import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Logger } from '../domain/log';
import type { ListenAddress } from './config/schemas';

/** Scrapers and probes are few and quick. */
const MOST_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const LARGEST_HEADER_BYTES = 8_192;
const PLAIN_TEXT = 'text/plain; charset=utf-8';

interface HttpServerOptions {
  readonly address: ListenAddress;
  readonly registry: Registry;
  /** Whether the process can do its work now; answered from memory, at once. */
  readonly ready: () => boolean;
  readonly logger: Logger;
}

export interface HttpServer {
  /** Where it listens: with the port that the system chose, if 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** Takes no new requests and ends the connections. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
}

/**
 * Serves /metrics for Prometheus, /healthz (200 as long as the process answers at all) and /readyz (200 or 503). Rejects if it
 * cannot listen.
 */
export async function startHttpServer({ address, registry, ready, logger }: HttpServerOptions): Promise<HttpServer> {
  const answer = async (path: string): Promise<Answer> => {
    switch (path) {
      case '/healthz':
        return plain(200, 'ok');
      case '/readyz':
        return ready() ? plain(200, 'ready') : plain(503, 'not ready');
      case '/metrics':
        return { status: 200, body: await registry.metrics(), contentType: registry.contentType };
      default:
        return plain(404, 'not found');
    }
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const readOnly = request.method === 'GET' || request.method === 'HEAD';
    const reply = readOnly ? await answer(pathOf(request)) : plain(405, 'method not allowed');
    response.writeHead(reply.status, {
      'content-type': reply.contentType,
      ...(!readOnly && { allow: 'GET, HEAD' }),
    });
    response.end(reply.body);
  };
  const server = createServer(
    {
      maxHeaderSize: LARGEST_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    (request, response) => {
      serve(request, response).catch((error: unknown) => {
        logger.error({ error, path: request.url }, 'a bug: an HTTP request could not be answered');
        if (!response.headersSent) response.writeHead(500, { 'content-type': PLAIN_TEXT });
        response.end('internal error\n');
      });
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  const bound = await listen(server, address);
  server.on('error', (error) => logger.error({ error }, 'the HTTP server met an error'));
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: ReturnType<typeof createServer>, { host, port }: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.off('error', reject);
      const bound = server.address();
      if (bound === null || typeof bound === 'string') reject(new Error('the HTTP server has no address'));
      else resolve(bound);
    });
  });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1).join('');
}

function plain(status: number, body: string): Answer {
  return { status, body: `${body}\n`, contentType: PLAIN_TEXT };
}
