import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { jest } from '@jest/globals';
import { stringify } from 'yaml';
import { type CsiClient, type CsiNodeClient, createCsiClient, createCsiNodeClient } from '../../src/cli/csi-client';
import { cleanEnvironment, controllerFieldsOf } from '../../src/cli/embedded';
import { releaseAllBelow } from '../../src/cli/embedded-node';
import { type Program, startProgram } from '../../src/cli/program';
import { type SimulatedRds, startSimulatedRds } from '../../src/cli/simulated-rds';
import { unknownToTheManual } from './manual';
import { createTestNamespace, type TestNamespace } from './temporal';

const MAIN = path.resolve(__dirname, '../../dist/src/cli/main.js');
/** The guest of test/nvme emulates its processor. */
const SLOWNESS = process.env['RDS_CSI_GUEST'] === undefined ? 1 : 5;
const READY_LIMIT_MS = 30_000 * SLOWNESS;

// Outages, killed processes and lost replies take as long as the driver's own limits say: no test here is quick or timed by jest.
jest.setTimeout(180_000 * Math.min(SLOWNESS, 2));

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

/** A node process as a user starts it, and a kubelet of it. */
export interface Node {
  readonly csi: CsiNodeClient;
  readonly program: Program;
  readonly socketPath: string;
  readonly kubeletDir: string;
  log(): Promise<string>;
}

export interface NodeOptions {
  /** Fields of the configuration that differ from the kit's. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Its environment, where it is not the test's own (steps.ts). */
  readonly env?: NodeJS.ProcessEnv;
  /** The command of another release, as it was built. */
  readonly main?: string;
}

/** A whole driver: a simulated RDS, a Temporal namespace of its own, and one controller process or more. */
export interface Driver {
  readonly rds: RdsUnderTest;
  readonly temporal: TestNamespace;
  /** The first controller's caller. */
  readonly csi: CsiClient;
  readonly controller: Controller;
  startController(options?: ControllerOptions): Promise<Controller>;
  /** A node process with connector `loop`, on the simulated RDS's own files; its kubelet's folder is its own. */
  startNode(nodeId: string, options?: NodeOptions): Promise<Node>;
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
    startSimulatedRds({ main: MAIN, folder, args: options.simulatorArgs ?? [] }),
    createTestNamespace(),
  ]);
  const controllers: Controller[] = [];
  const startController = async ({ config = {}, ready = true }: ControllerOptions = {}): Promise<Controller> => {
    const name = `controller-${controllers.length}`;
    const socketPath = path.join(folder, `${name}.sock`);
    const defaults = controllerFieldsOf({ rds, temporal, socketPath });
    const fields = { ...defaults, clusterId: 'test-cluster', logLevel: 'debug', ...config };
    const configFile = path.join(folder, `${name}.yaml`);
    await writeFile(configFile, stringify(fields));
    const logFile = path.join(folder, `${name}.log`);
    const program = startProgram({
      main: MAIN,
      args: ['controller', '--config', configFile],
      logFile,
      env: cleanEnvironment(),
    });
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
  const nodes: Node[] = [];
  const startNode = async (
    nodeId: string,
    { config = {}, env = cleanEnvironment(), main = MAIN }: NodeOptions = {},
  ): Promise<Node> => {
    const name = `${nodeId}-${nodes.length}`;
    const socketPath = path.join(folder, `${name}.sock`);
    const kubeletDir = path.join(folder, `kubelet-${nodeId}`);
    await mkdir(kubeletDir, { recursive: true });
    const fields = {
      endpoint: `unix://${socketPath}`,
      nodeId,
      connector: 'loop',
      loopBackingDir: path.join(folder, 'rds'),
      kubeletDir,
      temporalAddress: temporal.address,
      temporalNamespace: temporal.namespace,
      httpAddress: '',
      logLevel: 'debug',
      ...config,
    };
    const configFile = path.join(folder, `${name}.yaml`);
    await writeFile(configFile, stringify(fields));
    const logFile = path.join(folder, `${name}.log`);
    const program = startProgram({
      main,
      args: ['node', '--config', configFile],
      logFile,
      env,
    });
    const csi = createCsiNodeClient(socketPath);
    const node = { csi, program, socketPath, kubeletDir, log: () => readFile(logFile, 'utf8') };
    nodes.push(node);
    await waitFor(
      async () => existsSync(socketPath) && (await csi.probe({}, 2_000)).ready === true,
      async () => `the node does not serve:\n${await node.log()}`,
    );
    return node;
  };
  const controller = await startController(options);
  return {
    rds: rdsUnderTest(rds),
    temporal,
    csi: controller.csi,
    controller,
    startController,
    startNode,
    async stop() {
      await Promise.all(
        [...controllers, ...nodes].map(async ({ csi, program }) => {
          csi.close();
          await program.stop();
        }),
      );
      const unknown = unknownToTheManual(await rds.scripts());
      await Promise.all([rds.close(), temporal.close()]);
      // What a failed test has left mounted, the next ones shall not find.
      releaseAllBelow(folder);
      await rm(folder, { recursive: true, force: true });
      // Whatever the whole suite has sent to an RDS is held against the manual here.
      if (unknown.length > 0) throw new Error(`sent to the RDS, and not in MikroTik's manual: ${unknown.join('; ')}`);
    },
  };
}

/** What a disk was given, as text: `nvme-tcp-export` is `yes`. */
type Disk = Awaited<ReturnType<SimulatedRds['state']>>['disks'][number]['values'];

/** The simulated RDS, and what tests ask about it. */
export interface RdsUnderTest extends SimulatedRds {
  /** As SimulatedRds has them, without what reconcile looks at by itself. */
  scripts: SimulatedRds['scripts'];
  /** All that is left of a volume: disks by slot or path, and files, with their sizes in bytes. */
  traces(volumeId: string): Promise<{ readonly disks: readonly Disk[]; readonly files: readonly File[] }>;
  /** No faults, no latency, up, connections as usual. */
  heal(): Promise<void>;
}

interface File {
  readonly name: string;
  readonly sizeBytes: string;
}

/** What is in no other script than the survey of reconcile, which comes when it will: nobody's call costs it. */
const OF_RECONCILE = '[/disk find where type=file]';

function rdsUnderTest(rds: SimulatedRds): RdsUnderTest {
  return {
    ...rds,
    scripts: async () => (await rds.scripts()).filter(({ script }) => !script.includes(OF_RECONCILE)),
    async traces(volumeId) {
      const { disks, files } = await rds.state();
      return {
        disks: disks.map(({ values }) => values).filter((values) => JSON.stringify(values).includes(volumeId)),
        files: files.filter(({ name }) => name.includes(volumeId)).map(({ name, sizeBytes }) => ({ name, sizeBytes })),
      };
    },
    async heal() {
      await rds.clearFaults();
      await rds.setLatency({ read: 0, change: 0, allocation: 0 });
      await rds.setConnections({ mode: 'accept' });
      if (!(await rds.state()).up) await rds.start();
    },
  };
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
