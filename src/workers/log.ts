import type {
  LogMetadata,
  RuntimeOptions,
  LogLevel as TemporalLevel,
  Logger as TemporalLogger,
} from '@temporalio/worker';
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino';
import type { Logger } from '../domain/log';
import { findFaultKind, printableFields } from './printable';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

interface LoggerOptions {
  readonly level: LogLevel;
  /** Fields of every line, such as the process and its version. */
  readonly base: Readonly<Record<string, unknown>>;
  /** Where the lines go; stdout if it is not said. */
  readonly stream?: DestinationStream;
}

const STDOUT = 1;

/**
 * JSON lines on stdout, one synchronous write each, so that a killed process has said what it has said. Fields that people
 * search by: `volumeId`, `operation`, `workflowId`, `nodeId`; an error under `error`, with its stack if it is a bug.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { level, base, stream = destination({ dest: STDOUT, sync: true }) } = options;
  const logger = pino(
    {
      level,
      base: printableFields(base),
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const write = (level: LogLevel) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    if (logger.isLevelEnabled(level)) logger[level](printableFields(fields), message);
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

const LEVELS: Readonly<Record<TemporalLevel, LogLevel>> = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** What Temporal's SDK logs with a line: the driver's names for it where it has one, and nothing that only the SDK needs. */
const RENAMED: Readonly<Record<string, string>> = { workflowType: 'operation', activityType: 'activity' };
const VOLUME_WORKFLOW_ID = /^volume\/([^/]+)/;

/**
 * Temporal's own log lines, into ours. An activity or workflow that ended with a fault is told by those who throw and answer
 * it; the SDK's line about the same is for debugging.
 */
export function temporalLogger(logger: Logger): TemporalLogger {
  const log = (level: TemporalLevel, message: string, meta: LogMetadata = {}): void => {
    const expected = findFaultKind(meta['error']) !== undefined;
    const target = expected ? 'debug' : LEVELS[level];
    const entries = Object.entries(meta).map(([key, value]): [string, unknown] => [RENAMED[key] ?? key, value]);
    const volumeId = VOLUME_WORKFLOW_ID.exec(String(meta['workflowId']))?.[1];
    logger[target]({ ...(volumeId !== undefined && { volumeId }), ...Object.fromEntries(entries) }, message);
  };
  const at =
    (level: TemporalLevel) =>
    (message: string, meta?: LogMetadata): void =>
      log(level, message, meta);
  return { log, trace: at('TRACE'), debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}

/**
 * For `Runtime.install`: the SDK and its native core log into ours, the core what is at least a warning; and signals are the
 * process's own business, not the SDK's.
 */
export function temporalRuntimeOptions(logger: Logger): RuntimeOptions {
  return {
    logger: temporalLogger(logger),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
    shutdownSignals: [],
  };
}
