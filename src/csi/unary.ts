import { type handleUnaryCall, type ServerUnaryCall, status } from '@grpc/grpc-js';
import type { Logger } from '../domain/log';
import type { Patience } from './operations';
import { statusOf } from './status';

/** Told of each RPC that has ended: its name, the name of its gRPC status, and how long it took, in seconds. */
export type ObserveRpc = (rpc: string, statusName: string, seconds: number) => void;

export interface UnaryScope {
  readonly logger: Logger;
  readonly observe: ObserveRpc;
  /** The process is told to stop: whoever waits gets the answer that there is now. */
  readonly stopping: AbortSignal;
}

/** An RPC as a function that returns the reply or throws a Fault. Each call leaves one line in the log. */
export function unary<Request, Reply>(
  { logger, observe, stopping }: UnaryScope,
  rpc: string,
  reply: (request: Request, patience: Patience) => Promise<Reply> | Reply,
): handleUnaryCall<Request, Reply> {
  return (call, callback) => {
    const begun = performance.now();
    const end = (code: status, details: string): void => {
      const seconds = (performance.now() - begun) / 1000;
      observe(rpc, status[code], seconds);
      const fields = { rpc, ...subjectIn(call.request), code: status[code], seconds };
      if (code === status.OK) logger.debug(fields, `${rpc} answered`);
      else logger.warn(fields, `${rpc} answered ${status[code]}: ${details}`);
    };
    const answer = async (): Promise<void> => {
      try {
        const message = await reply(call.request, patienceOf(call, stopping));
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

function patienceOf(call: ServerUnaryCall<unknown, unknown>, stopping: AbortSignal): Patience {
  const deadline = call.getDeadline();
  const hangUp = new AbortController();
  call.on('cancelled', () => hangUp.abort());
  return {
    deadline: deadline instanceof Date ? deadline : Number.isFinite(deadline) ? new Date(deadline) : undefined,
    ended: AbortSignal.any([hangUp.signal, stopping]),
  };
}

/** The volume that a request is about, for the log: CreateVolume has its name alone. Whatever text it is, JSON escapes it. */
function subjectIn(request: unknown): { readonly volumeId?: string; readonly name?: string } {
  if (typeof request !== 'object' || request === null) return {};
  if ('volumeId' in request && typeof request.volumeId === 'string') return { volumeId: shortened(request.volumeId) };
  return 'name' in request && typeof request.name === 'string' ? { name: shortened(request.name) } : {};
}

function shortened(text: string): string {
  return text.slice(0, 128);
}
