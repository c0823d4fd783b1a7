import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { startTemporalServer, type TemporalServer } from '../../temporal/server';
import { type CsiClient, createCsiClient } from './csi-client';
import { type EmbeddedNode, findWhyNoNode, startEmbeddedNode } from './embedded-node';
import { type Program, startProgram } from './program';
import { type SimulatedRds, startSimulatedRds } from './simulated-rds';

const READY_LIMIT_MS = 60_000;
const POLL_INTERVAL_MS = 25;

interface EmbeddedOptions {
  /** Told what is being started, a line each. */
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A whole driver on this machine: Temporal, a simulated RDS and the controller, as processes on free local ports. */
export interface Embedded {
  /** Logs, sockets and databases; removed at the end. */
  readonly folder: string;
  readonly temporal: TemporalServer;
  readonly rds: SimulatedRds;
  readonly controller: Program;
  readonly socketPath: string;
  readonly csi: CsiClient;
  /** Undefined where this machine cannot have one. */
  readonly node: EmbeddedNode | undefined;
  stop(): Promise<void>;
}

/** Ready when the controller is. Throws, with everything stopped, if something does not start. */
export async function startEmbedded({ tell, signal }: EmbeddedOptions): Promise<Embedded> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-'));
  const stops: (() => Promise<void> | void)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const temporal = await startTemporalServer({ log: tell, dbFilename: path.join(folder, 'temporal.db'), signal });
    stops.push(() => temporal.stop());
    const rds = await startSimulatedRds({ folder });
    stops.push(() => rds.close());
    const socketPath = path.join(folder, 'csi.sock');
    const configFile = path.join(folder, 'controller.yaml');
    await writeFile(configFile, stringify(controllerFieldsOf({ temporal, rds, socketPath })));
    const args = ['controller', '--config', configFile];
    const controller = startProgram({ args, logFile: path.join(folder, 'controller.log'), env: cleanEnvironment() });
    stops.push(() => controller.stop());
    const csi = createCsiClient(socketPath);
    stops.push(() => csi.close());
    await untilReady({ csi, socketPath, controller, signal });
    const node = findWhyNoNode() === undefined ? await startNode(folder, temporal) : undefined;
    stops.push(async () => node?.stop());
    return { folder, temporal, rds, controller, socketPath, csi, node, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startNode(folder: string, temporal: TemporalServer): Promise<EmbeddedNode> {
  const { address: temporalAddress, namespace: temporalNamespace } = temporal;
  return startEmbeddedNode({ folder, temporalAddress, temporalNamespace, env: cleanEnvironment() });
}

interface ConfigParts {
  readonly temporal: Pick<TemporalServer, 'address' | 'namespace'>;
  readonly rds: SimulatedRds;
  readonly socketPath: string;
}

/** The controller's configuration file for a simulated RDS, where there is no node to check and no HTTP wanted. */
export function controllerFieldsOf({ temporal, rds, socketPath }: ConfigParts): Record<string, unknown> {
  return {
    endpoint: `unix://${socketPath}`,
    clusterId: 'demo',
    volumePaths: ['/storage-pool/metal-csi'],
    rdsAddress: '127.0.0.1',
    rdsPort: rds.sshPort,
    rdsUser: rds.user,
    rdsPasswordFile: rds.passwordFile,
    rdsHostKey: rds.fingerprint,
    temporalAddress: temporal.address,
    temporalNamespace: temporal.namespace,
    // There is no node here, nor Kubernetes to ask: never a cluster that a person's KUBECONFIG names.
    kubernetes: 'off',
    nodeCheck: 'off',
    httpAddress: '',
  };
}

/** The environment without what would configure the controller beside its file. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RDS_CSI_')));
}

interface Starting {
  readonly csi: CsiClient;
  readonly socketPath: string;
  readonly controller: Program;
  readonly signal: AbortSignal;
}

async function untilReady({ csi, socketPath, controller, signal }: Starting): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let ended: number | string | undefined;
  void controller.ended.then((how) => (ended = how));
  for (;;) {
    signal.throwIfAborted();
    if (existsSync(socketPath)) {
      const ready = await csi.probe({}, 2_000).then(
        (reply) => reply.ready === true,
        () => false,
      );
      if (ready) return;
    }
    if (ended !== undefined) throw new Error(`the controller ended (${ended}) before it was ready`);
    if (performance.now() > deadline) throw new Error(`the controller is not ready after ${READY_LIMIT_MS / 1_000} s`);
    await delay(POLL_INTERVAL_MS);
  }
}
