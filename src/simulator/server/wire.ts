import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../error-code';

/** What a new connection meets: service; nobody listening; a reset; a peer that accepts and never says a word. */
export type ConnectionMode = 'accept' | 'refuse' | 'reset' | 'hang';

const LISTEN_ATTEMPTS = 20;
const LISTEN_PAUSE_MS = 100;

/** The TCP side of the SSH server, where networks go wrong. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  private boundPort: number;
  private currentMode: ConnectionMode = 'accept';
  private up = false;

  constructor(
    private readonly options: {
      readonly host: string;
      readonly port: number;
      readonly serve: (socket: Socket) => void;
    },
  ) {
    this.boundPort = options.port;
  }

  /** Known from the first start on, and the same for ever after. */
  get port(): number {
    return this.boundPort;
  }

  get mode(): ConnectionMode {
    return this.currentMode;
  }

  get connections(): number {
    return this.sockets.size;
  }

  async setMode(mode: ConnectionMode): Promise<void> {
    this.currentMode = mode;
    await this.update();
  }

  async start(): Promise<void> {
    this.up = true;
    await this.update();
  }

  /** Nobody listens, and no connection is left. */
  async stop(): Promise<void> {
    this.up = false;
    this.resetAll();
    await this.update();
  }

  /** Every connection is reset. */
  resetAll(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Existing connections stay open, but nothing is read from them nor reaches the peer any more. */
  hangAll(): void {
    for (const socket of this.sockets) {
      socket.pause();
      socket.cork();
    }
  }

  private async update(): Promise<void> {
    const wanted = this.up && this.currentMode !== 'refuse';
    if (wanted && !this.server) {
      this.server = await this.listen();
      const address = this.server.address();
      if (address !== null && typeof address === 'object') this.boundPort = address.port;
    }
    if (!wanted && this.server) {
      const { server } = this;
      this.server = undefined;
      const closed = once(server, 'close');
      server.close();
      // close() waits for connections; what matters is that nobody listens any more
      if (this.sockets.size === 0) await closed;
    }
  }

  /** While it was down, an outgoing connection of this machine may have been given the port: it is waited for. */
  private async listen(): Promise<Server> {
    for (let attempt = 1; ; attempt += 1) {
      const server = createServer((socket) => this.accept(socket));
      try {
        server.listen(this.boundPort, this.options.host);
        await once(server, 'listening');
        return server;
      } catch (error) {
        if (!hasCode(error, 'EADDRINUSE') || attempt >= LISTEN_ATTEMPTS) throw error;
        await delay(LISTEN_PAUSE_MS);
      }
    }
  }

  private accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    if (this.currentMode === 'accept') this.options.serve(socket);
    else if (this.currentMode === 'reset') socket.resetAndDestroy();
    else socket.pause();
  }
}
