import type { EventEmitter } from 'node:events';
import { Command } from 'commander';
import type { DestinationStream } from 'pino';
import type { Logger } from '../domain/log';
import type { FieldTable } from '../workers/config/field';
import { type ReadFile, readConfigFile } from '../workers/config/files';
import type { ConfigSources, Environment, Flags } from '../workers/config/load';
import { addFieldOptions } from '../workers/config/options';
import { createLogger, type LogLevel } from '../workers/log';
import { VERSION } from '../workers/version';
import { runUntilStopped } from './stop-signal';

/** What every process is given beside its configuration. */
export interface ProcessContext {
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The world of a process; a test has its own. */
export interface ProcessSurroundings {
  readonly env?: Environment;
  readonly readFile?: ReadFile;
  /** Where signals arrive, and what a second one does. */
  readonly signals?: EventEmitter;
  readonly exit?: (code: number) => void;
  /** Where the log goes. */
  readonly stream?: DestinationStream;
}

interface ProcessCommandOptions<Config> extends ProcessSurroundings {
  readonly name: string;
  readonly description: string;
  readonly fields: FieldTable;
  readonly load: (sources: ConfigSources) => Config;
  /** The process itself: ends when its signal is aborted and its work is over. */
  readonly run: (config: Config, context: ProcessContext) => Promise<void>;
}

/** A subcommand that runs one process of the driver. Throws ConfigError before anything is started. */
export function processCommand<Config extends { readonly logLevel: LogLevel; readonly warnings: readonly string[] }>(
  options: ProcessCommandOptions<Config>,
): Command {
  const {
    name,
    env = process.env,
    readFile = readConfigFile,
    signals = process,
    exit = (code) => process.exit(code),
    stream,
  } = options;
  const command = new Command(name).description(options.description).helpOption('-h, --help', 'show this help');
  addFieldOptions(command, options.fields);
  return command.action(async (flags: Flags) => {
    const config = options.load({ flags, env, readFile });
    const base = { process: name, version: VERSION };
    const logger = createLogger({ level: config.logLevel, base, ...(stream && { stream }) });
    for (const warning of config.warnings) logger.warn({}, warning);
    const onStop = (signal: string): void =>
      logger.info({ signal }, `${signal}: the process stops; a second signal ends it at once`);
    try {
      await runUntilStopped((signal) => options.run(config, { logger, signal }), { onStop, target: signals, exit });
    } catch (error) {
      logger.error({ error }, `the ${name} ends because of an error`);
      throw error;
    }
  });
}
