import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { stringify } from 'yaml';
import { type CsiClient, createCsiClient } from '../../src/cli/csi-client';
import { type Program, startProgram } from '../../src/cli/program';
import { type SimulatorControl, startSimulatorProgram } from './simulator';
import { createTestNamespace, type TestNamespace } from './temporal';

const MAIN = path.resolve(__dirname, '../../dist/src/cli/main.js');
const READY_LIMIT_MS = 30_000;

/** A controller process as a user starts it, and a caller of it. */
export interface Controller {
  readonly csi: CsiClient;
  readonly program: Program;
  readonly socketPath: string;
  readonly logFile: string;
  /** What it has logged so far. */
  log(): Promise<string>;
}

export interface ControllerOptions {
  /** Fields of the configuration that differ from the kit's. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Whether to wait until it is ready; false where the RDS or Temporal is not there. */
  readonly ready?: boolean;
}

/** A whole driver: a simulated RDS, a Temporal namespace of its own, and one controller process or more. */
export interface Driver {
  readonly rds: SimulatorControl;
  readonly temporal: TestNamespace;
  /** The first controller's caller. */
  readonly csi: CsiClient;
  readonly controller: Controller;
  startController(options?: ControllerOptions): Promise<Controller>;
  stop(): Promise<void>;
}

export interface DriverOptions extends ControllerOptions {
  /** Flags of the simulator that differ from the kit's. */
  readonly simulatorArgs?: readonly string[];
}

/** About 3 s: one for each test file. */
export async function startDriver(options: DriverOptions = {}): Promise<Driver> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-test-'));
  const [rds, temporal] = await Promise.all([
    startSimulatorProgram({ main: MAIN, folder, args: options.simulatorArgs ?? [] }),
    createTestNamespace(),
  ]);
  const controllers: Controller[] = [];
  const startController = async ({ config = {}, ready = true }: ControllerOptions = {}): Promise<Controller> => {
    const name = `controller-${controllers.length}`;
    const socketPath = path.join(folder, `${name}.sock`);
    const fields = { ...configOf({ rds, temporal, socketPath }), ...config };
    const configFile = path.join(folder, `${name}.yaml`);
    await writeFile(configFile, stringify(fields));
    const logFile = path.join(folder, `${name}.log`);
    const program = startProgram({ main: MAIN, args: ['controller', '--config', configFile], logFile, env: envOf() });
    const controller = {
      csi: createCsiClient(socketPath),
      program,
      socketPath,
      logFile,
      log: () => readFile(logFile, 'utf8'),
    };
    controllers.push(controller);
    if (ready) await waitUntilReady(controller);
    return controller;
  };
  const controller = await startController(options);
  return {
    rds,
    temporal,
    csi: controller.csi,
    controller,
    startController,
    async stop() {
      await Promise.all(
        controllers.map(async ({ csi, program }) => {
          csi.close();
          await program.stop();
        }),
      );
      await Promise.all([rds.close(), temporal.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface ConfigParts {
  readonly rds: SimulatorControl;
  readonly temporal: TestNamespace;
  readonly socketPath: string;
}

function configOf({ rds, temporal, socketPath }: ConfigParts): Record<string, unknown> {
  return {
    endpoint: `unix://${socketPath}`,
    clusterId: 'test-cluster',
    volumePaths: ['/storage-pool/metal-csi'],
    rdsAddress: '127.0.0.1',
    rdsPort: rds.sshPort,
    rdsUser: rds.user,
    rdsPasswordFile: rds.passwordFile,
    rdsHostKey: rds.fingerprint,
    temporalAddress: temporal.address,
    temporalNamespace: temporal.namespace,
    nodeCheck: 'off',
    httpAddress: '',
    logLevel: 'debug',
  };
}

/** The environment without what would configure the controller beside its file. */
function envOf(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RDS_CSI_')));
}

export async function waitUntilReady(controller: Controller): Promise<void> {
  await waitFor(
    async () => existsSync(controller.socketPath) && (await controller.csi.probe({}, 2_000)).ready === true,
    async () => `the controller is not ready:\n${await controller.log()}`,
  );
}

/** Until the condition holds; an error of it counts as "not yet". Throws with `otherwise` after the limit. */
export async function waitFor(
  holds: () => Promise<boolean> | boolean,
  otherwise: () => Promise<string> | string,
  limitMs = READY_LIMIT_MS,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const held = await Promise.resolve()
      .then(holds)
      .catch(() => false);
    if (held) return;
    if (Date.now() > deadline) throw new Error(await otherwise());
    await delay(25);
  }
}

/** The gRPC error that a call ends with. Throws if it ends well. */
export async function errorOf(call: Promise<unknown>): Promise<ServiceError> {
  const reply: unknown = await call.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  if (reply instanceof Error && 'code' in reply && 'details' in reply) return reply as ServiceError;
  throw reply instanceof Error ? reply : new Error(`the call ended well: ${JSON.stringify(reply, bigintAsText)}`);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
