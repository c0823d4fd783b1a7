import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { CoreV1Api, KubeConfig, RbacAuthorizationV1Api, StorageV1Api } from '@kubernetes/client-node';
import { installGoTool, toolPathOf } from '../../temporal/go-tool';
import { ServerProcess } from '../../temporal/server-process';
import { KUBERNETES_TOOL } from './kubernetes-tool';

/** The control plane is there already, or can be built: it comes as Go source alone. Who cannot have it skips its tests. */
export const hasKubernetes =
  existsSync(toolPathOf(KUBERNETES_TOOL, process.env)) || spawnSync('go', ['version']).status === 0;

// The first test of a machine builds it; later ones wait for it to start, and for what they are about.
jest.setTimeout(hasKubernetes && existsSync(toolPathOf(KUBERNETES_TOOL, process.env)) ? 180_000 : 30 * 60_000);

const READY_LIMIT_MS = 90_000;
/** Another process may take a free port between its choice and its use. */
const START_ATTEMPTS = 3;
/**
 * Controllers that make an API server behave as in a cluster without touching what a test has set up by hand. `attachDetach`
 * would delete VolumeAttachments that no Pod stands behind, and the node lifecycle one marks nodes without a kubelet NotReady:
 * a test that is about them names them.
 */
const CONTROLLERS = [
  'namespace-controller',
  'serviceaccount-controller',
  'persistentvolume-binder-controller',
  'persistentvolume-protection-controller',
  'persistentvolumeclaim-protection-controller',
];

export interface KubernetesOptions {
  /** Controllers of kube-controller-manager that run beside the usual ones. */
  readonly controllers?: readonly string[];
}

/** Typed clients, as cluster admin. */
export interface AdminClient {
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly storage: StorageV1Api;
  readonly rbac: RbacAuthorizationV1Api;
}

/** A Kubernetes control plane of its own: etcd, API server and controller manager on free ports of 127.0.0.1. */
export interface Kubernetes {
  /** Path of a kubeconfig of the cluster's admin. */
  readonly kubeconfig: string;
  readonly client: AdminClient;
  /** Path of a kubeconfig with a token of the ServiceAccount, valid for an hour. */
  kubeconfigOf(account: { readonly namespace: string; readonly name: string }): Promise<string>;
  /** Kills the API server, as a crash would. */
  killApiServer(): Promise<void>;
  /** Starts it again, on the same port and data. */
  startApiServer(): Promise<void>;
  stop(): Promise<void>;
}

/** Up in about 7 s. The first call on a machine builds it, which takes minutes. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<Kubernetes> {
  const log = (line: string) => process.stderr.write(`kubernetes: ${line}\n`);
  const executable = await installGoTool({ tool: KUBERNETES_TOOL, env: process.env, log });
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(executable, options);
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('address already in use');
      if (!portTaken || attempt === START_ATTEMPTS) throw error;
    }
  }
}

interface Plane {
  readonly executable: string;
  readonly folder: string;
  readonly ports: { readonly etcd: number; readonly etcdPeer: number; readonly api: number };
}

async function start(executable: string, { controllers = [] }: KubernetesOptions): Promise<Kubernetes> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-kubernetes-'));
  const [etcd = 0, etcdPeer = 0, api = 0] = await freePorts(3);
  const plane: Plane = { executable, folder, ports: { etcd, etcdPeer, api } };
  const kubeconfig = path.join(folder, 'admin.kubeconfig');
  const token = await writeSecrets(folder);
  const running: ServerProcess[] = [];
  const run = (args: readonly string[]): ServerProcess => {
    const server = new ServerProcess({ executable, args, env: environmentOf(folder) });
    running.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map(kill));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    run(etcdArgs(plane));
    let apiServer = run(apiServerArgs(plane));
    const certificate = path.join(folder, 'certs', 'apiserver.crt');
    await until(() => existsSync(certificate), apiServer);
    const write = async (file: string, bearer: string): Promise<string> => {
      await writeFile(file, kubeconfigText(api, await readFile(certificate), bearer), { mode: 0o600 });
      return file;
    };
    const client = clientOf(await write(kubeconfig, token));
    await until(() => isReady(client), apiServer);
    const manager = run(controllerManagerArgs(plane, kubeconfig, [...CONTROLLERS, ...controllers]));
    await until(() => hasServiceAccounts(client), manager);
    return {
      kubeconfig,
      client,
      async kubeconfigOf({ namespace, name }) {
        const body = { spec: { audiences: [], expirationSeconds: 3_600 } };
        const { status } = await client.core.createNamespacedServiceAccountToken({ namespace, name, body });
        return await write(path.join(folder, `${namespace}-${name}.kubeconfig`), status?.token ?? '');
      },
      async killApiServer() {
        running.splice(running.indexOf(apiServer), 1);
        await kill(apiServer);
      },
      async startApiServer() {
        apiServer = run(apiServerArgs(plane));
        await until(() => isReady(client), apiServer);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nothing of it is kept: no time is lost with an orderly end. */
async function kill(server: ServerProcess): Promise<void> {
  if (server.pid !== undefined && server.end === undefined) process.kill(server.pid, 'SIGKILL');
  await server.ended;
}

/** What a person has set for etcd or Kubernetes is not meant for these. */
function environmentOf(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder, TMPDIR: folder };
}

async function writeSecrets(folder: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const token = randomBytes(16).toString('hex');
  await writeFile(path.join(folder, 'service-account.key'), privateKey, { mode: 0o600 });
  await writeFile(path.join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  return token;
}

function etcdArgs({ folder, ports }: Plane): readonly string[] {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  return [
    'etcd',
    `--data-dir=${path.join(folder, 'etcd')}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${url(ports.etcd)}`,
    `--advertise-client-urls=${url(ports.etcd)}`,
    `--listen-peer-urls=${url(ports.etcdPeer)}`,
    `--initial-advertise-peer-urls=${url(ports.etcdPeer)}`,
    `--initial-cluster=default=${url(ports.etcdPeer)}`,
  ];
}

function apiServerArgs({ folder, ports }: Plane): readonly string[] {
  const key = path.join(folder, 'service-account.key');
  return [
    'kube-apiserver',
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.api}`,
    `--cert-dir=${path.join(folder, 'certs')}`,
    `--token-auth-file=${path.join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-cluster-ip-range=10.96.0.0/24',
    '--endpoint-reconciler-type=none',
    '--profiling=false',
  ];
}

function controllerManagerArgs({ folder }: Plane, kubeconfig: string, controllers: readonly string[]) {
  return [
    'kube-controller-manager',
    `--kubeconfig=${kubeconfig}`,
    '--secure-port=0',
    `--controllers=${controllers.join(',')}`,
    `--service-account-private-key-file=${path.join(folder, 'service-account.key')}`,
    '--leader-elect=false',
    '--node-monitor-grace-period=10s',
    '--attach-detach-reconcile-sync-period=10s',
    '--profiling=false',
  ];
}

/** The API server's own certificate file holds the authority that it made, too. */
function kubeconfigText(port: number, certificate: Buffer, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': certificate.toString('base64'),
        },
      },
    ],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}

function clientOf(kubeconfig: string): AdminClient {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return {
    config,
    core: config.makeApiClient(CoreV1Api),
    storage: config.makeApiClient(StorageV1Api),
    rbac: config.makeApiClient(RbacAuthorizationV1Api),
  };
}

/** What it makes by itself is there: its own roles come before. */
async function isReady({ core, rbac }: AdminClient): Promise<boolean> {
  await core.readNamespace({ name: 'default' });
  await rbac.readClusterRole({ name: 'cluster-admin' });
  return true;
}

async function hasServiceAccounts({ core }: AdminClient): Promise<boolean> {
  await core.readNamespacedServiceAccount({ namespace: 'default', name: 'default' });
  return true;
}

/** Until the condition holds; an error of it counts as "not yet". Throws if the process ends, or after the limit. */
async function until(holds: () => Promise<boolean> | boolean, server: ServerProcess): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  let last: unknown;
  for (;;) {
    const held = await Promise.resolve()
      .then(holds)
      .catch((error: unknown) => {
        last = error;
        return false;
      });
    if (held) return;
    if (server.end !== undefined) throw new Error(server.end);
    if (Date.now() > deadline)
      throw new Error(`Kubernetes is not ready after ${READY_LIMIT_MS / 1_000} s`, { cause: last });
    await delay(50);
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  return await Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      if (address === null || typeof address === 'string') throw new Error('no port');
      return address.port;
    }),
  );
}
