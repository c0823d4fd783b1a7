#!/usr/bin/env node
import './node-version';
import { Command, CommanderError } from 'commander';
import type * as simulatorModule from '../simulator/command';
import { ConfigError } from '../workers/config/config-error';
import type * as controllerModule from '../workers/controller';
import { keepSmall } from '../workers/keep-small';
import type * as nodeModule from '../workers/node';
import { VERSION } from '../workers/version';
import type * as controllerCommandModule from './controller-command';
import type * as demoModule from './demo';
import type * as nodeCommandModule from './node-command';

/** Exit codes: an error while working; a wrong call or configuration. */
const FAILED = 1;
const MISUSED = 2;

interface Subcommand {
  readonly name: string;
  readonly summary: string;
  /** Loads the command's code (what is imported above are types): nobody pays for the libraries of a command not asked for. */
  readonly load: () => Command;
}

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'controller',
    summary: 'serve CSI Identity and Controller, and run the workflows of all volumes',
    load: () => {
      const { controllerCommand }: typeof controllerCommandModule = require('./controller-command');
      return controllerCommand({
        runController: async (config, context) => {
          const { runController }: typeof controllerModule = require('../workers/controller');
          await runController(config, context);
        },
      });
    },
  },
  {
    name: 'node',
    summary: 'serve CSI Identity and Node, and act on this node: connect, format, mount',
    load: () => {
      const { nodeCommand }: typeof nodeCommandModule = require('./node-command');
      return nodeCommand({
        runNode: async (config, context) => {
          // First of all: the libraries are most of what the process holds.
          keepSmall(context.signal);
          const { runNode }: typeof nodeModule = require('../workers/node');
          await runNode(config, context);
        },
      });
    },
  },
  {
    name: 'simulator',
    summary: 'serve a simulated RDS: RouterOS over SSH, with knobs for its faults',
    load: () => {
      const { simulatorCommand }: typeof simulatorModule = require('../simulator/command');
      return simulatorCommand();
    },
  },
  {
    name: 'demo',
    summary: 'show it all at work on this machine: no hardware, no Kubernetes, no root',
    load: () => {
      const { demoCommand }: typeof demoModule = require('./demo');
      return demoCommand();
    },
  },
];

interface CliOptions {
  readonly subcommands?: readonly Subcommand[];
  readonly writeOut?: (text: string) => void;
  readonly writeErr?: (text: string) => void;
}

/** Runs `rds-csi` with the arguments behind its name, and returns the exit code. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<number> {
  const {
    subcommands = SUBCOMMANDS,
    writeOut = (text) => void process.stdout.write(text),
    writeErr = (text) => void process.stderr.write(text),
  } = options;
  try {
    await createProgram(args, { subcommands, writeOut, writeErr }).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED;
    if (error instanceof ConfigError) {
      writeErr(`${error.message}\n`);
      return MISUSED;
    }
    writeErr(`rds-csi: ${oneLineOf(error)}\n`);
    return FAILED;
  }
}

function createProgram(args: readonly string[], { subcommands, writeOut, writeErr }: Required<CliOptions>): Command {
  const program = new Command('rds-csi')
    .description('Kubernetes CSI driver for the MikroTik ROSE Data Server')
    .version(VERSION, '--version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut,
      writeErr,
      outputError: (text, write) => write(withoutValue(text)),
    })
    .exitOverride();
  const wanted = args[0] === 'help' ? args[1] : args[0];
  for (const { name, summary, load } of subcommands) {
    // The others stand there by name, for the help text.
    const command = name === wanted ? load() : new Command(name);
    program.addCommand(command.summary(summary).copyInheritedSettings(program));
  }
  return program;
}

/** Commander repeats `--option=value` if it does not know the option: the value may be a secret. */
function withoutValue(text: string): string {
  return text.replace(/(--[A-Za-z0-9-]+)=[^]*(?=')/, '$1');
}

function oneLineOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*\n\s*/g, ' ');
}

if (require.main === module) {
  void runCli(process.argv.slice(2)).then((code) => process.exit(code));
}
