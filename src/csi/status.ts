import { type ServiceError, status } from '@grpc/grpc-js';
import { Fault } from '../domain/fault';
import type { Logger } from '../domain/log';

/** Longest message of a status, in characters: it travels in an HTTP/2 header. */
const LONGEST_MESSAGE = 2_000;

type Status = Pick<ServiceError, 'code' | 'details'>;

/** What the caller is told of an error: a Fault's code and message. Anything else is a bug, whose details are for the log alone. */
export function statusOf(error: unknown, log: { readonly logger: Logger; readonly rpc: string }): Status {
  if (error instanceof Fault) return { code: status[error.code], details: error.message.slice(0, LONGEST_MESSAGE) };
  log.logger.error({ rpc: log.rpc, error }, 'a bug: an RPC ended with an error that is no Fault');
  return { code: status.INTERNAL, details: `${log.rpc} met an internal error of the driver; its log has the details` };
}
