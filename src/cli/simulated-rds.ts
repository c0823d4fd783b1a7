import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type {
  ConnectOutcome,
  FaultRequest,
  LatencyRequest,
  LoggedScript,
  OrphanRequest,
  Session,
  SimulatorState,
} from '../simulator';
import { startProgram } from './program';

const USER = 'csi';

const readyLine = z.object({
  event: z.literal('ready'),
  sshPort: z.number(),
  httpPort: z.number(),
  fingerprint: z.string(),
});

export interface SimulatedRdsOptions {
  /** Where its state, its password and its log are kept. */
  readonly folder: string;
  /** The built command; only for callers that do not run from the build. */
  readonly main?: string;
  /** More flags of `rds-csi simulator`. */
  readonly args?: readonly string[];
}

/** A simulated RDS as a process of its own, and its knobs. */
export interface SimulatedRds {
  readonly sshPort: number;
  readonly user: string;
  readonly passwordFile: string;
  /** Of its host key: `SHA256:…`. */
  readonly fingerprint: string;
  /** As if the power went off: all connections are cut, new ones refused. */
  stop(): Promise<void>;
  start(): Promise<void>;
  setLatency(latency: LatencyRequest): Promise<void>;
  addFault(fault: FaultRequest): Promise<void>;
  clearFaults(): Promise<void>;
  /** `existing: 'hang'` makes the connections that are there half-open. */
  setConnections(how: { mode?: 'accept' | 'refuse' | 'reset' | 'hang'; existing?: 'reset' | 'hang' }): Promise<void>;
  /** Something that no command of a driver left there whole. */
  addOrphan(orphan: OrphanRequest): Promise<void>;
  /** A host of this NQN connects to a volume's export, as far as the simulator has NVMe/TCP: it is let in, or not. */
  connectHost(slot: string, hostNqn: string): Promise<ConnectOutcome>;
  /** Sessions that are live. */
  sessions(): Promise<readonly Session[]>;
  state(): Promise<SimulatorState>;
  /** Every script that it was sent since it was started, in order. */
  scripts(): Promise<readonly LoggedScript[]>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** Starts `rds-csi simulator` on free ports with a password of its own; resolves when it accepts connections. */
export async function startSimulatedRds({ folder, main, args = [] }: SimulatedRdsOptions): Promise<SimulatedRds> {
  const stateDir = path.join(folder, 'rds');
  await mkdir(stateDir, { recursive: true });
  const passwordFile = path.join(folder, 'rds-password');
  await writeFile(passwordFile, randomBytes(12).toString('base64url'), { mode: 0o600 });
  const program = startProgram({
    ...(main && { main }),
    args: [
      'simulator',
      `--state-dir=${stateDir}`,
      '--http-port=0',
      `--user=${USER}`,
      `--password-file=${passwordFile}`,
      ...args,
    ],
    logFile: path.join(folder, 'simulator.log'),
  });
  const ready = readyLine.parse(JSON.parse(await program.line((line) => line.includes('"ready"'))));
  const request = async <T>(method: 'GET' | 'POST' | 'DELETE', route: string, body?: unknown): Promise<T> => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`http://127.0.0.1:${ready.httpPort}${route}`, init);
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`the simulator refused ${method} ${route}: ${JSON.stringify(answer)}`);
    return answer as T;
  };
  const { sshPort, fingerprint } = ready;
  return {
    sshPort,
    fingerprint,
    user: USER,
    passwordFile,
    stop: () => request('POST', '/stop', {}),
    start: () => request('POST', '/start', {}),
    setLatency: (latency) => request('POST', '/latency', latency),
    addFault: (fault) => request('POST', '/faults', fault),
    clearFaults: () => request('DELETE', '/faults'),
    setConnections: (how) => request('POST', '/connections', how),
    addOrphan: (orphan) => request('POST', '/orphans', orphan),
    connectHost: (slot, hostNqn) => request('POST', '/sessions', { slot, hostNqn }),
    sessions: () => request('GET', '/sessions'),
    state: () => request('GET', '/state'),
    scripts: () => request('GET', '/commands'),
    close: () => program.stop(),
  };
}
