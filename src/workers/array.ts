import { asyncLocalStorage } from '@temporalio/activity';
import type { ConnectionEvent } from '../adapters/routeros/connection-keeper';
import { createDisks } from '../adapters/routeros/disks';
import type { DisksPort } from '../adapters/routeros/port';
import { createSshSession } from '../adapters/routeros/ssh-session';
import { CHANGE_LIMIT_MS, EXEC_LIMIT_MS, EXEC_QUEUE_LIMIT_MS } from '../contract/limits';
import type { Logger } from '../domain/log';
import type { Volume } from '../domain/volume';
import type { ControllerConfig, RdsConfig } from './config/controller-config';
import type { ControllerMetrics } from './metrics';

/** The RDS as the process has it: its volumes, and whether it can be reached, from memory. */
export interface RdsArray {
  readonly disks: DisksPort;
  readonly connected: boolean;
  /** What an act on the RDS waits for while it cannot be reached, for a person. */
  readonly whyDown: string | undefined;
  /** Sends nothing more; ends when what was sent is over. */
  stop(): Promise<void>;
}

interface ArrayParts {
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
  /** Told of what happens to the connection, as the metrics are. */
  readonly onConnection: (event: ConnectionEvent) => void;
}

/** Connects to the RDS in the background, for as long as it takes. */
export function connectArray(
  { rds, volumePaths, clusterId }: ControllerConfig,
  { logger, metrics, onConnection }: ArrayParts,
): RdsArray {
  const observeConnection = metrics.observeConnection(rds.address);
  const session = createSshSession({
    host: rds.address,
    port: rds.port,
    credentials: credentialsOf(rds),
    hostKey: rds.hostKey,
    limits: {
      execsAtOnce: rds.maxExecs,
      queueLimitMs: EXEC_QUEUE_LIMIT_MS,
      execLimitMs: EXEC_LIMIT_MS,
      changeLimitMs: CHANGE_LIMIT_MS,
    },
    logger,
    onEvent: (event) => {
      observeConnection(event);
      onConnection(event);
    },
  });
  const disks = createDisks({
    session,
    roots: volumePaths,
    logger,
    // An activity that is cancelled gives up its turn, and what it only reads; never what it has sent.
    currentSignal: () => asyncLocalStorage.getStore()?.cancellationSignal,
    onEvent: metrics.observeExec,
  });
  session.start();
  const list = async (): Promise<readonly Volume[]> => {
    const volumes = await disks.list();
    metrics.sampleVolumes(volumes, clusterId);
    return volumes;
  };
  return {
    disks: { ...disks, list },
    get connected() {
      return session.state.connected;
    },
    get whyDown() {
      const { state, address } = session;
      return state.connected
        ? undefined
        : `RDS ${address} cannot be reached since ${state.since.toISOString()}: ${state.reason}`;
    },
    stop: () => session.stop(),
  };
}

function credentialsOf({ user, password, privateKey, passphrase }: RdsConfig) {
  return {
    username: user,
    password: password?.reveal(),
    privateKey: privateKey?.reveal(),
    passphrase: passphrase?.reveal(),
  };
}
