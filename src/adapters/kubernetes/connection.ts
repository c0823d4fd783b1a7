import {
  ApiException,
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  type RequestContext,
  type ResponseContext,
  ServerConfiguration,
  StorageV1Api,
} from '@kubernetes/client-node';
import { Fault } from '../../domain/fault';
import { formatUntrusted } from '../../domain/text';

/** How the cluster is reached: as the ServiceAccount of the Pod, or by kubeconfig files (the first has the context). */
export type KubernetesAccess =
  | { readonly kind: 'in-cluster' }
  | { readonly kind: 'kubeconfig'; readonly files: readonly string[] };

export interface KubernetesApis {
  readonly config: KubeConfig;
  /** URL of the API server. */
  readonly server: string;
  readonly core: CoreV1Api;
  readonly storage: StorageV1Api;
  readonly callLimitMs: number;
  /** The next call opens a connection of its own: what the shared one is worth is not known. */
  readonly dropConnections: () => void;
}

/** Connections are shared for so long, in milliseconds: then files with certificates, which may have changed, count anew. */
const SHARE_MS = 60_000;

/** Clients of the API server. Asks it nothing yet. Throws an Error if there is no such kubeconfig, or it names no cluster. */
export function connectApis(access: KubernetesAccess, callLimitMs: number): KubernetesApis {
  const config = loadConfig(access);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('the kubeconfig names no current cluster');
  const { share, drop } = shareConnections(Date.now);
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        // The library has no limit of its own: without one, a half-open connection hangs for ever.
        pre: (request: RequestContext) => {
          request.setSignal(AbortSignal.timeout(callLimitMs));
          share(request);
          return Promise.resolve(request);
        },
        post: (response: ResponseContext) => Promise.resolve(response),
      },
    ],
  });
  const core = new CoreV1Api(configuration);
  return { config, server, core, storage: new StorageV1Api(configuration), callLimitMs, dropConnections: drop };
}

/** The library makes a pool of connections for each call, so that none is ever used twice: all calls get the first one's. */
function shareConnections(now: () => number) {
  let pool: ReturnType<RequestContext['getDispatcher']>;
  let since = 0;
  return {
    share(this: void, request: RequestContext): void {
      if (pool === undefined || now() - since > SHARE_MS) {
        pool = request.getDispatcher();
        since = now();
      }
      if (pool !== undefined) request.setDispatcher(pool);
    },
    drop(this: void): void {
      pool = undefined;
    },
  };
}

function loadConfig(access: KubernetesAccess): KubeConfig {
  if (access.kind === 'in-cluster') {
    const config = new KubeConfig();
    config.loadFromCluster();
    return config;
  }
  const [first, ...others] = access.files.map(loadFile);
  if (first === undefined) throw new Error('no kubeconfig is named');
  for (const other of others) first.mergeConfig(other, true);
  return first;
}

function loadFile(file: string): KubeConfig {
  try {
    const config = new KubeConfig();
    config.loadFromFile(file);
    return config;
  } catch {
    // What the library says quotes the file, which holds secrets.
    throw new Error(`${file} cannot be read as a kubeconfig`);
  }
}

/** A call as RBAC sees it. */
export interface Call {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update';
  /** The API group; empty: the core one. */
  readonly group: '' | 'storage.k8s.io';
  /** As in a rule of RBAC: `volumeattachments`. */
  readonly resource: string;
  /** The object, where the call is about one. */
  readonly name?: string;
}

/** Makes the call and waits for its end, for as long as one may take. Throws ClusterUnreachable. */
export async function ask<T>(apis: KubernetesApis, call: Call, request: () => Promise<T>): Promise<T> {
  const late = new AbortController();
  // Beside the request's own signal: what comes before it is sent, such as a login program, has no limit either.
  const limit = setTimeout(() => late.abort(), apis.callLimitMs + 500);
  const tooLate = new Promise<never>((_, reject) => {
    late.signal.addEventListener('abort', () => reject(new Error(noAnswer(apis))), { once: true });
  });
  try {
    return await Promise.race([request(), tooLate]);
  } catch (error) {
    if (!(error instanceof ApiException)) apis.dropConnections();
    throw faultOf(error, call, apis);
  } finally {
    clearTimeout(limit);
  }
}

/** As `ask`; undefined if the API server says that it has no such object, which it must say in so many words. */
export async function askFor<T>(
  apis: KubernetesApis,
  call: Call & { readonly name: string },
  request: () => Promise<T>,
): Promise<T | undefined> {
  return await ask(apis, call, async () => {
    try {
      return await request();
    } catch (error) {
      if (isNotFound(error, call)) return undefined;
      throw error;
    }
  });
}

/** Whether the API server refused because the object is there already, or was changed meanwhile. */
export function isConflict(error: unknown): boolean {
  return error instanceof Fault && error.cause instanceof ApiException && error.cause.code === 409;
}

interface StatusBody {
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly details: { readonly name: string | undefined; readonly kind: string | undefined };
}

/** A 404 of a proxy, or of a wrong path, is none of the API server about this object. */
function isNotFound(error: unknown, { resource, name }: Call & { readonly name: string }): boolean {
  if (!(error instanceof ApiException) || error.code !== 404) return false;
  const status = findStatus(error.body);
  return status?.reason === 'NotFound' && status.details.name === name && status.details.kind === resource;
}

/** The `Status` object that the API server answers with when it refuses; undefined if the body is none. */
function findStatus(body: unknown): StatusBody | undefined {
  const status = typeof body === 'string' ? parseJson(body) : body;
  if (textIn(status, 'kind') !== 'Status') return undefined;
  const details = valueIn(status, 'details');
  return {
    reason: textIn(status, 'reason'),
    message: textIn(status, 'message'),
    details: { name: textIn(details, 'name'), kind: textIn(details, 'kind') },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function valueIn(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && key in value ? Reflect.get(value, key) : undefined;
}

function textIn(value: unknown, key: string): string | undefined {
  const found = valueIn(value, key);
  return typeof found === 'string' ? found : undefined;
}

/** What went wrong, as a Fault that tells what was asked. */
export function faultOf(error: unknown, call: Call, apis: KubernetesApis): Fault {
  if (error instanceof Fault) return error;
  return new Fault(
    'ClusterUnreachable',
    `Kubernetes could not be asked to ${describe(call)}: ${whyOf(error, call, apis)}`,
    {
      cause: error,
    },
  );
}

function whyOf(error: unknown, call: Call, apis: KubernetesApis): string {
  const code = codeOf(error);
  if (code === undefined) return `${serverOf(apis)}: ${reasonOf(error, apis)}`;
  const said = error instanceof ApiException ? findStatus(error.body)?.message : textIn(error, 'message');
  const words = said === undefined ? 'in words that are no Status of Kubernetes' : formatUntrusted(said);
  if (code === 401) return `${serverOf(apis)} does not know who asks (401); is the token or certificate still valid?`;
  return code === 403 ? forbidden(call, words) : `${serverOf(apis)} answered ${code}, ${words}`;
}

/** The HTTP status that the call ended with: a watch has an error of its own for it. */
function codeOf(error: unknown): number | undefined {
  if (error instanceof ApiException) return error.code;
  const code = valueIn(error, 'statusCode');
  return typeof code === 'number' ? code : undefined;
}

/** The missing rule by name: whoever reads it pastes it into the role (deploy/rbac.yaml has them all). */
function forbidden({ verb, group, resource }: Call, words: string): string {
  const rule = `apiGroups ["${group}"], resources ["${resource}"], verbs ["${verb}"]`;
  return `the controller's role lacks the rule ${rule}; deploy/rbac.yaml has it (403, ${words})`;
}

function describe({ verb, group, resource, name }: Call): string {
  return [verb, group === '' ? resource : `${resource}.${group}`, ...(name === undefined ? [] : [name])].join(' ');
}

function serverOf({ server }: KubernetesApis): string {
  return `API server ${server}`;
}

function noAnswer({ callLimitMs }: KubernetesApis): string {
  return `no answer within ${callLimitMs / 1_000} s`;
}

/** `fetch failed` says nothing: its cause does. */
function reasonOf(error: unknown, apis: KubernetesApis): string {
  if (textIn(error, 'name') === 'TimeoutError') return noAnswer(apis);
  const cause = valueIn(error, 'cause');
  const message = textIn(error, 'message') ?? String(error);
  const inner = textIn(cause, 'message') || textIn(cause, 'code');
  return inner === undefined ? message : `${message}: ${inner}`;
}
