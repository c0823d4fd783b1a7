import type { Command } from 'commander';
import { loadNodeConfig, NODE_FIELDS, type NodeConfig } from '../workers/config/node-config';
import { type ProcessContext, type ProcessSurroundings, processCommand } from './process-command';

interface NodeCommandOptions extends ProcessSurroundings {
  readonly runNode: (config: NodeConfig, context: ProcessContext) => Promise<void>;
}

/** `rds-csi node`. */
export function nodeCommand({ runNode, ...surroundings }: NodeCommandOptions): Command {
  return processCommand({
    ...surroundings,
    name: 'node',
    description: 'serve CSI Identity and Node, and act on this node: connect, format, mount',
    fields: NODE_FIELDS,
    load: loadNodeConfig,
    run: runNode,
  });
}
