import type { EventEmitter } from 'node:events';
import { Command } from 'commander';
import type { DestinationStream } from 'pino';
import type { Logger } from '../domain/log';
import { CONTROLLER_FIELDS, type ControllerConfig, loadControllerConfig } from '../workers/config/controller-config';
import { type ReadFile, readConfigFile } from '../workers/config/files';
import type { Environment, Flags } from '../workers/config/load';
import { addFieldOptions } from '../workers/config/options';
import { createLogger } from '../workers/log';
import { VERSION } from '../workers/version';
import { runUntilStopped } from './stop-signal';

interface ControllerCommandOptions {
  /** The process itself: ends when its signal is aborted and its work is over. */
  readonly runController: (
    config: ControllerConfig,
    context: { readonly logger: Logger; readonly signal: AbortSignal },
  ) => Promise<void>;
  readonly env?: Environment;
  readonly readFile?: ReadFile;
  /** Where signals arrive, and what a second one does. */
  readonly signals?: EventEmitter;
  readonly exit?: (code: number) => void;
  /** Where the log goes. */
  readonly stream?: DestinationStream;
}

/** `rds-csi controller`. Throws ConfigError before anything is started. */
export function controllerCommand(options: ControllerCommandOptions): Command {
  const {
    runController,
    env = process.env,
    readFile = readConfigFile,
    signals = process,
    exit = (code) => process.exit(code),
    stream,
  } = options;
  const command = new Command('controller')
    .description('serve CSI Identity and Controller, and run the workflows of all volumes')
    .helpOption('-h, --help', 'show this help');
  addFieldOptions(command, CONTROLLER_FIELDS);
  return command.action(async (flags: Flags) => {
    const config = loadControllerConfig({ flags, env, readFile });
    const base = { process: 'controller', version: VERSION };
    const logger = createLogger({ level: config.logLevel, base, ...(stream && { stream }) });
    for (const warning of config.warnings) logger.warn({}, warning);
    const onStop = (name: string): void =>
      logger.info({ signal: name }, `${name}: the process stops; a second signal ends it at once`);
    try {
      await runUntilStopped((signal) => runController(config, { logger, signal }), { onStop, target: signals, exit });
    } catch (error) {
      logger.error({ error }, 'the controller ends because of an error');
      throw error;
    }
  });
}
