import { constants } from 'node:fs';
import { access, chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { Fault } from '../domain/fault';

interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

interface CsiServerOptions {
  /** Path of the Unix socket. What a killed process has left there is replaced; a socket that answers is not. */
  readonly socketPath: string;
  readonly services: readonly ServedService[];
}

export interface CsiServer {
  /** Takes no new calls, lets those under way end for at most `graceMs` milliseconds, and removes the socket. */
  stop(graceMs: number): Promise<void>;
}

/** Serves gRPC on a Unix socket that only its owner and group may use. */
export async function startCsiServer({ socketPath, services }: CsiServerOptions): Promise<CsiServer> {
  const server = new Server();
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  await removeStaleSocket(socketPath);
  await access(path.dirname(socketPath), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new Fault('InvalidArgument', `endpoint: ${path.dirname(socketPath)} cannot be written to: ${error.code}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  await chmod(socketPath, 0o660);
  return {
    async stop(graceMs) {
      const force = setTimeout(() => server.forceShutdown(), graceMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(force);
    },
  };
}

async function removeStaleSocket(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw new Fault('InvalidArgument', `endpoint: ${socketPath} exists and is no socket`);
  if (await answers(socketPath)) {
    throw new Fault(
      'InvalidArgument',
      `endpoint: another process serves ${socketPath}; end it, or choose another endpoint`,
    );
  }
  await unlink(socketPath);
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
