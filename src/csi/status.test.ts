import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { FAULTS, Fault, type FaultKind } from '../domain/fault';
import { statusOf } from './status';

const logged: unknown[] = [];
const logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (fields: unknown) => void logged.push(fields),
};

describe('statusOf', () => {
  it.each(Object.keys(FAULTS) as FaultKind[])('gives %s its code, and its message to the caller', (kind) => {
    expect(statusOf(new Fault(kind, 'what happened'), { logger, rpc: 'X' })).toEqual({
      code: status[FAULTS[kind].code],
      details: 'what happened',
    });
  });

  it('tells nothing of a bug but to the log', () => {
    const error = new TypeError('the password is hunter2');
    const told = statusOf(error, { logger, rpc: 'CreateVolume' });
    expect(told.code).toBe(status.INTERNAL);
    expect(told.details).not.toContain('hunter2');
    expect(logged).toEqual([{ rpc: 'CreateVolume', error }]);
  });

  it('keeps a message within what a header may hold', () => {
    expect(statusOf(new Fault('ArrayRefused', 'x'.repeat(100_000)), { logger, rpc: 'X' }).details.length).toBe(2_000);
  });
});
