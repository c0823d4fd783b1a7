import type { Command } from 'commander';
import { CONTROLLER_FIELDS, type ControllerConfig, loadControllerConfig } from '../workers/config/controller-config';
import { type ProcessContext, type ProcessSurroundings, processCommand } from './process-command';

interface ControllerCommandOptions extends ProcessSurroundings {
  readonly runController: (config: ControllerConfig, context: ProcessContext) => Promise<void>;
}

/** `rds-csi controller`. */
export function controllerCommand({ runController, ...surroundings }: ControllerCommandOptions): Command {
  return processCommand({
    ...surroundings,
    name: 'controller',
    description: 'serve CSI Identity and Controller, and run the workflows of all volumes',
    fields: CONTROLLER_FIELDS,
    load: loadControllerConfig,
    run: runController,
  });
}
