import { parse } from 'yaml';
import { isKubernetesLabel, isKubernetesSubdomain } from '../../domain/kubernetes-name';
import { formatUntrusted } from '../../domain/text';
import { defaultField, filePathField, optionalField } from './field';
import { FileProblem, getFile, type ReadFile } from './files';
import type { ConfigSources, Environment, ParsedFields } from './load';
import { oneOfSchema, Refusal, schemaOf } from './schemas';

/** Where a Pod finds the token of its ServiceAccount. */
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export const KUBERNETES_FIELDS = {
  kubernetes: defaultField({
    help:
      'whether Kubernetes is asked about nodes, attachments and volumes: `on`; `off`, the records on the RDS decide alone; `auto`, ' +
      'if there is a kubeconfig (`kubeconfig`, or the variable KUBECONFIG) or the process runs in a Pod with a ServiceAccount',
    placeholder: 'way',
    schema: oneOfSchema(['auto', 'on', 'off']),
    default: 'auto',
  }),
  kubeconfig: filePathField({
    help: 'how the API server of Kubernetes is reached',
    otherwise: 'the variable KUBECONFIG, else the ServiceAccount of the Pod',
  }),
  podNamespace: optionalField({
    help: 'namespace of the Pod that this process runs in; with `podName`',
    placeholder: 'name',
    schema: nameSchema(isKubernetesLabel),
    otherwise: 'events about the driver itself are in the log alone',
  }),
  podName: optionalField({
    help: 'the Pod that this process runs in: events about the driver itself are posted on it',
    placeholder: 'name',
    schema: nameSchema(isKubernetesSubdomain),
    otherwise: 'events about the driver itself are in the log alone',
  }),
  nodeCheck: optionalField({
    help: 'when a node exists: `kubernetes`, there is a Node of its name; `task-queue`, a worker polls its task queue; `off`, always',
    placeholder: 'way',
    schema: oneOfSchema(['kubernetes', 'task-queue', 'off']),
    otherwise: '`kubernetes` where Kubernetes is asked, else `task-queue`',
  }),
};

/** How Kubernetes is reached, and who we are in it. */
export interface KubernetesConfig {
  readonly access:
    | { readonly kind: 'in-cluster' }
    /** The first has the context; several only by the variable KUBECONFIG. */
    | { readonly kind: 'kubeconfig'; readonly files: readonly string[] };
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
}

export type NodeCheck = 'kubernetes' | 'task-queue' | 'off';

type KubernetesFields = ParsedFields<typeof KUBERNETES_FIELDS>;

interface KubernetesChoice {
  /** Undefined: Kubernetes is not asked. */
  readonly kubernetes: KubernetesConfig | undefined;
  readonly nodeCheck: NodeCheck;
}

/** What the fields, the environment and the machine say together; refuses what cannot be. */
export function chooseKubernetes(fields: KubernetesFields, { env, readFile }: ConfigSources): KubernetesChoice {
  const { values } = fields;
  const access = values.kubernetes === 'off' ? undefined : findAccess(fields, { env, readFile });
  if (values.kubernetes === 'on' && !access && !fields.isGiven('kubeconfig')) {
    fields.refuse(
      'kubernetes',
      'is on, but there is no kubeconfig, no KUBECONFIG, and this is no Pod with a ServiceAccount',
    );
  }
  if (values.kubernetes === 'off' && fields.isGiven('kubeconfig')) {
    fields.refuse('kubeconfig', 'is given, and kubernetes is off');
  }
  if (values.nodeCheck === 'kubernetes' && !access) {
    fields.refuse('nodeCheck', 'is kubernetes, and Kubernetes is not asked (kubernetes)');
  }
  if (fields.isGiven('podName') !== fields.isGiven('podNamespace')) {
    const [given, absent] = fields.isGiven('podName')
      ? (['podName', 'podNamespace'] as const)
      : (['podNamespace', 'podName'] as const);
    fields.refuse(given, `is given without ${absent}`);
  }
  const { podNamespace: namespace, podName: name } = values;
  const pod = namespace !== undefined && name !== undefined ? { namespace, name } : undefined;
  return {
    kubernetes: access && { access, pod },
    nodeCheck: values.nodeCheck ?? (access ? 'kubernetes' : 'task-queue'),
  };
}

interface Surroundings {
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/** As kubectl chooses: what is named, the variable, the Pod. */
function findAccess(fields: KubernetesFields, { env, readFile }: Surroundings): KubernetesConfig['access'] | undefined {
  const given = fields.values.kubeconfig;
  const named = env['KUBECONFIG']?.split(':').filter((file) => file !== '') ?? [];
  if (given !== undefined || named.length > 0) {
    const files = given === undefined ? named : [given];
    const problem = findKubeconfigProblem(files, readFile);
    if (problem === undefined) return { kind: 'kubeconfig', files };
    fields.refuse('kubeconfig', given === undefined ? `the variable KUBECONFIG: ${problem}` : problem);
    return undefined;
  }
  return env['KUBERNETES_SERVICE_HOST'] && isReadable(TOKEN_FILE, readFile) ? { kind: 'in-cluster' } : undefined;
}

function isReadable(file: string, readFile: ReadFile): boolean {
  try {
    return readFile(file).text !== '';
  } catch {
    return false;
  }
}

/** Why the files make no kubeconfig, without a word of what is in them; undefined if they do. */
function findKubeconfigProblem(files: readonly string[], readFile: ReadFile): string | undefined {
  const [first = ''] = files;
  try {
    const texts = files.map((file) => getFile(file, readFile).text);
    const contexts = texts.map(parseYaml).flatMap((config) => listIn(config, 'contexts'));
    const current = textIn(parseYaml(texts[0] ?? ''), 'current-context');
    if (current !== undefined && contexts.some((context) => textIn(context, 'name') === current)) return undefined;
    return `${first} is no kubeconfig with a current context`;
  } catch (error) {
    if (error instanceof FileProblem) return error.message;
    throw error;
  }
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { logLevel: 'silent' });
  } catch {
    return undefined;
  }
}

function listIn(value: unknown, key: string): readonly unknown[] {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return Array.isArray(found) ? found : [];
}

function textIn(value: unknown, key: string): string | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof found === 'string' ? found : undefined;
}

function nameSchema(isName: (text: string) => boolean) {
  return schemaOf((text) =>
    isName(text) ? text : new Refusal(`${formatUntrusted(text)} is no Kubernetes name (DNS-1123)`),
  );
}
