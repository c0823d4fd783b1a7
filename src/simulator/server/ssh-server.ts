import type { Socket } from 'node:net';
import { type Connection, type ParsedKey, Server, type ServerChannel, type Session } from 'ssh2';
import type { Console } from '../console';
import { type Credentials, decideLogin, parseAuthorizedKeys } from './login';
import { serveShell } from './shell';

export interface SshOptions {
  readonly hostKey: string;
  readonly credentials: Credentials;
  readonly banner: string;
  readonly newConsole: (user: string, kind: 'exec' | 'shell') => Console;
  readonly onLogin: (user: string, how: string) => void;
}

/** SSH over sockets that somebody else has accepted. */
export class SshServer {
  private readonly server: Server;
  private readonly keys: readonly ParsedKey[];
  /** By the peer's port: the library tells of a connection only after the peer's greeting, and without its socket. */
  private readonly sockets = new Map<number, Socket>();

  constructor(private readonly options: SshOptions) {
    this.keys = parseAuthorizedKeys(options.credentials.authorizedKeys);
    this.server = new Server({ hostKeys: [options.hostKey], ident: 'ROSSSH' }, (connection, info) => {
      const socket = this.sockets.get(info.port);
      if (socket) this.serve(connection, socket);
      else connection.end();
    });
  }

  inject(socket: Socket): void {
    const port = socket.remotePort;
    if (port === undefined) return void socket.destroy();
    this.sockets.set(port, socket);
    socket.once('close', () => this.sockets.delete(port));
    this.server.injectSocket(socket);
  }

  private serve(connection: Connection, socket: Socket): void {
    let user = '';
    const reset = () => void socket.resetAndDestroy();
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      user = context.username;
      decideLogin(context, this.options.credentials, this.keys);
    });
    connection.on('ready', () => {
      this.options.onLogin(user, 'ssh');
      connection.on('session', (accept) => this.session(accept(), user, reset));
    });
  }

  private session(session: Session, user: string, reset: () => void): void {
    let terminal = false;
    let width: number | undefined;
    let shell: Console | undefined;
    session.on('pty', (accept, _reject, info) => {
      terminal = true;
      width = info.cols || undefined;
      accept?.();
    });
    session.on('window-change', (accept, _reject, info) => {
      if (shell) shell.width = info.cols || undefined;
      accept?.();
    });
    session.on('env', (accept) => accept?.());
    session.on('exec', (accept, _reject, { command }) => {
      const console = this.options.newConsole(user, 'exec');
      console.width = width;
      exec(accept(), { console, command, reset }).catch(reset);
    });
    session.on('shell', (accept) => {
      shell = this.options.newConsole(user, 'shell');
      shell.width = width;
      serveShell(accept(), { console: shell, banner: this.options.banner, terminal, reset });
    });
  }
}

interface ExecOptions {
  readonly console: Console;
  readonly command: string;
  readonly reset: () => void;
}

/** Runs the script to its end even if the caller has gone: an answer that is not seen says nothing. */
async function exec(channel: ServerChannel, { console, command, reset }: ExecOptions): Promise<void> {
  channel.on('error', () => undefined);
  const reply = await console.execute(command);
  if (reply.kind === 'reset') return reset();
  if (reply.kind === 'hang' || channel.destroyed || !channel.writable) return;
  channel.write(Buffer.from(reply.text, 'latin1'));
  // RouterOS reports success for what it refused too (seen): nobody may rely on it
  channel.exit(0);
  channel.end();
}
