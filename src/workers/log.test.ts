import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import * as fc from 'fast-check';
import { Fault } from '../domain/fault';
import { Secret } from './config/secret';
import { createLogger, type LogLevel, temporalLogger } from './log';

function createCollector(level: LogLevel = 'debug', base: Record<string, unknown> = {}) {
  const texts: string[] = [];
  const logger = createLogger({ level, base, stream: { write: (text: string) => void texts.push(text) } });
  return {
    logger,
    texts,
    lines: () => texts.map((text): Record<string, unknown> => JSON.parse(text)),
  };
}

describe('the log', () => {
  it('is a JSON object a line: time, level, base, fields and message', () => {
    const { logger, texts, lines } = createCollector('info', { process: 'controller' });
    logger.info({ volumeId: 'pvc-1', operation: 'createVolume' }, 'made\nit');
    expect(texts).toHaveLength(1);
    expect(texts[0]?.indexOf('\n')).toBe((texts[0]?.length ?? 0) - 1);
    expect(lines()).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: 'info',
        process: 'controller',
        volumeId: 'pvc-1',
        operation: 'createVolume',
        message: 'made\nit',
      },
    ]);
  });

  it.each<[LogLevel, readonly string[]]>([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
  ])('of level %s holds %j', (level, levels) => {
    const { logger, lines } = createCollector(level);
    for (const write of ['debug', 'info', 'warn', 'error'] as const) logger[write]({}, 'x');
    expect(lines().map((line) => line['level'])).toEqual(levels);
  });

  it.each<[string, unknown, unknown]>([
    ['a bigint', 2n ** 60n, '1152921504606846976'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['bytes', Buffer.from('key'), '[3 bytes]'],
    ['a set', new Set([1]), [1]],
    ['a map', new Map([['a', 1]]), { a: 1 }],
    ['no number', Number.NaN, 'NaN'],
    ['a long text', 'x'.repeat(9000), `${'x'.repeat(8192)}… (9000 characters)`],
  ])('prints %s', (_fact, value, printed) => {
    const { logger, lines } = createCollector();
    logger.info({ value }, 'x');
    expect(lines()[0]?.['value']).toEqual(printed);
  });

  it('keeps its own keys, whatever the fields are called', () => {
    const { logger, lines } = createCollector();
    logger.warn({ level: 'x', message: 'y', time: 0 }, 'z');
    expect(lines()[0]).toMatchObject({ level: 'warn', level_: 'x', message: 'z', message_: 'y', time_: 0 });
  });

  it('comes to an end with a circle, and with a very wide tree', () => {
    const circle: Record<string, unknown> = {};
    circle['again'] = circle;
    const wide = Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => 'x'.repeat(10)));
    const { logger, texts } = createCollector();
    logger.info({ circle, wide }, 'x');
    expect(texts[0]?.length).toBeLessThan(20_000);
  });

  it('has the stack of a bug, and its causes', () => {
    const { logger, lines } = createCollector();
    logger.error({ error: new TypeError('x is undefined', { cause: new Error('why') }) }, 'a bug');
    expect(lines()[0]?.['error']).toMatchObject({
      name: 'TypeError',
      message: 'x is undefined',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'why', stack: expect.any(String) },
    });
  });

  it('knows an error of another realm', () => {
    const { logger, lines } = createCollector();
    logger.error({ error: runInNewContext('new RangeError("far")') }, 'x');
    expect(lines()[0]?.['error']).toMatchObject({ name: 'RangeError', message: 'far', stack: expect.any(String) });
  });

  it('has the kind of a fault, and no stack', () => {
    const { logger, lines } = createCollector();
    logger.error({ error: new Fault('VolumeInUse', 'taken') }, 'x');
    expect(lines()[0]?.['error']).toEqual({
      name: 'Fault',
      kind: 'VolumeInUse',
      code: 'FAILED_PRECONDITION',
      message: 'taken',
    });
  });

  it('leaves out what a library hangs on its errors', () => {
    const error = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', options: { password: 'hunter2' } });
    const { logger, lines } = createCollector();
    logger.error({ error }, 'x');
    expect(Object.keys(lines()[0]?.['error'] ?? {})).toEqual(['name', 'code', 'message', 'stack']);
  });
});

describe('secrets', () => {
  const MARKER = 'hunter2-hunter2';
  const secret = new Secret(MARKER);
  const places = fc.letrec((tie) => ({
    place: fc.oneof(
      { maxDepth: 5 },
      fc.constant<unknown>(secret),
      fc
        .constantFrom('password', 'privateKey', 'passphrase', 'apiKey', 'rdsPassword', 'api_key', 'secrets')
        .map((key) => ({ [key]: MARKER })),
      fc.dictionary(fc.string({ maxLength: 5 }), tie('place'), { maxKeys: 3 }),
      fc.array(tie('place'), { maxLength: 3 }),
      tie('place').map((cause) => new Error('x', { cause })),
      tie('place').map((value) => new Map([['m', value]])),
      tie('place').map((value) => Object.assign(new Error('y'), { request: value })),
    ),
  })).place;

  it('are in no line, wherever they stand', () => {
    fc.assert(
      fc.property(places, (value) => {
        const { logger, texts } = createCollector('debug', { base: value });
        logger.info({ value }, 'x');
        logger.error({ error: value }, 'x');
        temporalLogger(logger).error('x', { value, error: value });
        expect(texts).toHaveLength(3);
        expect(texts.join('')).not.toContain(MARKER);
        expect(inspect(secret)).not.toContain(MARKER);
      }),
      { numRuns: 300 },
    );
  });

  it('may have their files named', () => {
    const { logger, lines } = createCollector();
    logger.info({ rdsPasswordFile: '/k/password' }, 'x');
    expect(lines()[0]?.['rdsPasswordFile']).toBe('/k/password');
  });
});

describe("Temporal's lines", () => {
  it.each<[Parameters<ReturnType<typeof temporalLogger>['log']>[0], LogLevel]>([
    ['TRACE', 'debug'],
    ['DEBUG', 'debug'],
    ['INFO', 'info'],
    ['WARN', 'warn'],
    ['ERROR', 'error'],
  ])('of level %s are %s', (from, to) => {
    const { logger, lines } = createCollector();
    temporalLogger(logger).log(from, 'x');
    expect(lines()).toMatchObject([{ level: to, message: 'x' }]);
  });

  it('have the fields of ours', () => {
    const { logger, lines } = createCollector();
    const symbol = Symbol('time');
    const workflowId = 'volume/pvc-1';
    temporalLogger(logger).info('x', { workflowId, workflowType: 'createVolume', taskToken: 'abc', [symbol]: 1n });
    expect(lines()).toMatchObject([
      { volumeId: 'pvc-1', workflowId, operation: 'createVolume', taskToken: '[secret]', message: 'x' },
    ]);
  });

  it.each<[string, unknown, LogLevel]>([
    ['a fault', ApplicationFailure.create({ type: 'VolumeInUse', message: 'taken' }), 'debug'],
    [
      'an activity that ended with one',
      new ActivityFailure('x', 'a', '1', 'NON_RETRYABLE_FAILURE', 'i', ApplicationFailure.create({ type: 'NotOurs' })),
      'debug',
    ],
    ['a bug', ApplicationFailure.create({ type: 'Bug', message: 'x' }), 'warn'],
    ['any error', new Error('x'), 'warn'],
  ])('about %s are told as %s', (_fact, error, level) => {
    const { logger, lines } = createCollector();
    temporalLogger(logger).warn('Activity failed', { error });
    expect(lines()).toMatchObject([{ level }]);
  });
});
