import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import type { FaultRequest, FaultState } from './faults';
import type { LatencyRequest } from './latency';
import type { OrphanRequest } from './orphans';

/** What can be done over HTTP. */
export interface Knobs {
  state(): unknown;
  commandsSince(sequence: number): unknown;
  addFault(request: FaultRequest): number;
  removeFault(id: number): boolean;
  clearFaults(): void;
  listFaults(): readonly FaultState[];
  setLatency(request: LatencyRequest): void;
  setOutOfSpace(outOfSpace: boolean): void;
  setConnectionMode(mode: 'accept' | 'refuse' | 'reset' | 'hang'): Promise<void>;
  resetConnections(): void;
  hangConnections(): void;
  addOrphan(request: OrphanRequest): void;
  connectHost(request: { readonly slot: string; readonly hostNqn: string }): unknown;
  disconnectHost(id: number): boolean;
  listSessions(): unknown;
  start(): Promise<void>;
  stop(): Promise<void>;
  reboot(downMs: number): Promise<void>;
}

const BODY_LIMIT_BYTES = 1024 * 1024;

/** The caller's mistake. */
class BadRequest extends Error {}

type Handler = (knobs: Knobs, request: { readonly body: unknown; readonly url: URL }) => unknown;

const connections = z.strictObject({
  mode: z.enum(['accept', 'refuse', 'reset', 'hang']).optional(),
  existing: z.enum(['reset', 'hang']).optional(),
});

const host = z.strictObject({ slot: z.string().min(1), hostNqn: z.string().min(1) });

/** What is taken away by its number. */
const NUMBERED: Readonly<Record<string, (knobs: Knobs, id: number) => boolean>> = {
  faults: (knobs, id) => knobs.removeFault(id),
  sessions: (knobs, id) => knobs.disconnectHost(id),
};

const ROUTES: Readonly<Record<string, Handler>> = {
  'GET /state': (knobs) => knobs.state(),
  'GET /commands': (knobs, { url }) => knobs.commandsSince(z.coerce.number().parse(url.searchParams.get('since') ?? 0)),
  'GET /faults': (knobs) => knobs.listFaults(),
  // what each setting may be is checked where it is made
  'POST /faults': (knobs, { body }) => ({ id: knobs.addFault(body as FaultRequest) }),
  'DELETE /faults': (knobs) => knobs.clearFaults(),
  'POST /latency': (knobs, { body }) => knobs.setLatency(body as LatencyRequest),
  'POST /space': (knobs, { body }) =>
    knobs.setOutOfSpace(z.strictObject({ outOfSpace: z.boolean() }).parse(body).outOfSpace),
  'POST /connections': async (knobs, { body }) => {
    const { mode, existing } = connections.parse(body);
    if (mode) await knobs.setConnectionMode(mode);
    if (existing === 'reset') knobs.resetConnections();
    if (existing === 'hang') knobs.hangConnections();
  },
  'POST /orphans': (knobs, { body }) => knobs.addOrphan(body as OrphanRequest),
  'GET /sessions': (knobs) => knobs.listSessions(),
  'POST /sessions': (knobs, { body }) => knobs.connectHost(host.parse(body)),
  'POST /start': (knobs) => knobs.start(),
  'POST /stop': (knobs) => knobs.stop(),
  /** Answers once it is down; it comes up by itself. */
  'POST /reboot': async (knobs, { body }) => {
    const { downMs } = z.strictObject({ downMs: z.number().nonnegative().default(1000) }).parse(body);
    await knobs.stop();
    knobs
      .reboot(downMs)
      .catch((error: unknown) => process.stderr.write(`it did not come up again: ${String(error)}\n`));
  },
};

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > BODY_LIMIT_BYTES) throw new BadRequest('the body is too large');
  }
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRequest('the body is not JSON');
  }
}

async function answer(knobs: Knobs, request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, kind = '', id] = /^\/(faults|sessions)\/(\d+)$/.exec(url.pathname) ?? [];
  if (id !== undefined && request.method === 'DELETE') {
    if (!NUMBERED[kind]?.(knobs, Number(id))) throw new BadRequest(`${kind} has no ${id}`);
    return undefined;
  }
  const route = `${request.method} ${url.pathname}`;
  const handler = Object.hasOwn(ROUTES, route) ? ROUTES[route] : undefined;
  if (!handler)
    throw new BadRequest(
      `${route} is not one of ${Object.keys(ROUTES).join(', ')}, DELETE /faults/<id>, DELETE /sessions/<id>`,
    );
  return handler(knobs, { body: await bodyOf(request), url });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  // No connection is kept: one that ends for being idle, just as the next request goes out on it, would be an error of nobody's.
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify(body ?? {})}\n`);
}

/** A browser on this machine may be made to send requests by any page: only callers that name this machine are heard. */
function isLocal(request: IncomingMessage): boolean {
  const { host = '', origin } = request.headers;
  return origin === undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host);
}

/** The knobs over HTTP, JSON in and out, without any login: for this machine alone. */
export class HttpApi {
  private readonly server: Server;

  constructor(knobs: Knobs) {
    this.server = createServer((request, response) => {
      if (!isLocal(request)) return send(response, 403, { error: 'not from this machine' });
      answer(knobs, request)
        .then((body) => send(response, 200, body))
        .catch((error: unknown) => send(response, 400, { error: messageOf(error) }));
    });
  }

  /** Returns the port. */
  async listen(port: number): Promise<number> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : port;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error);
  return error instanceof Error ? error.message : String(error);
}
