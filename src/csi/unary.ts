import { type handleUnaryCall, type ServerUnaryCall, status } from '@grpc/grpc-js';
import type { Logger } from '../domain/log';
import type { Patience } from './operations';
import { statusOf } from './status';

/** Told of each RPC that has ended: its name, the name of its gRPC status, and how long it took, in seconds. */
export type ObserveRpc = (rpc: string, statusName: string, seconds: number) => void;

export interface UnaryScope {
  readonly logger: Logger;
  readonly observe: ObserveRpc;
}

/** An RPC as a function that returns the reply or throws a Fault. Each call leaves one line in the log. */
export function unary<Request, Reply>(
  { logger, observe }: UnaryScope,
  rpc: string,
  reply: (request: Request, patience: Patience) => Promise<Reply> | Reply,
): handleUnaryCall<Request, Reply> {
  return (call, callback) => {
    const begun = performance.now();
    const end = (code: status, details: string): void => {
      const seconds = (performance.now() - begun) / 1000;
      observe(rpc, status[code], seconds);
      const fields = { rpc, volumeId: volumeIdIn(call.request), code: status[code], seconds };
      if (code === status.OK) logger.debug(fields, `${rpc} answered`);
      else logger.warn(fields, `${rpc} answered ${status[code]}: ${details}`);
    };
    const answer = async (): Promise<void> => {
      try {
        const message = await reply(call.request, patienceOf(call));
        end(status.OK, '');
        callback(null, message);
      } catch (error) {
        const failure = statusOf(error, { logger, rpc });
        end(failure.code, failure.details);
        callback(failure);
      }
    };
    void answer();
  };
}

function patienceOf(call: ServerUnaryCall<unknown, unknown>): Patience {
  const deadline = call.getDeadline();
  const hangUp = new AbortController();
  call.on('cancelled', () => hangUp.abort());
  return {
    deadline: deadline instanceof Date ? deadline : Number.isFinite(deadline) ? new Date(deadline) : undefined,
    hungUp: hangUp.signal,
  };
}

/** The volume that a request is about, for the log; whatever text it is, JSON escapes it. */
function volumeIdIn(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('volumeId' in request)) return undefined;
  return typeof request.volumeId === 'string' ? request.volumeId.slice(0, 128) : undefined;
}
