import { Fault } from '../../domain/fault';
import { type NodeId, type NqnPrefix, parseNodeId, parseNqnPrefix } from '../../domain/nqn';
import { formatUntrusted } from '../../domain/text';
import { defaultField, optionalField, requiredField } from './field';
import { type ConfigSources, type ParsedFields, parseFields } from './load';
import { domainSchema, integerSchema, type ListenAddress, oneOfSchema, Refusal, schemaOf } from './schemas';
import { checkTemporal, PROCESS_FIELDS, TEMPORAL_FIELDS, type TemporalConfig, temporalConfigOf } from './shared-fields';

/** More than a node of today connects. */
const MOST_VOLUMES = 10_000;
const PATH = /^\/(?:[^/\p{Cc}]+\/)*[^/\p{Cc}]+$/u;
/** Kubernetes, "Syntax and character set" of labels. */
const LABEL =
  /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?=[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

const pathSchema = schemaOf((text) =>
  PATH.test(text) && !text.split('/').some((name) => name === '.' || name === '..')
    ? text
    : new Refusal(`${formatUntrusted(text)} is no absolute path without . and ..`),
);

const topologySchema = schemaOf((text): Readonly<Record<string, string>> | Refusal => {
  const labels = text.split(',').map((label) => label.trim());
  const wrong = labels.find((label) => !LABEL.test(label));
  if (wrong !== undefined) return new Refusal(`${formatUntrusted(wrong)} is no label <key>=<value>`);
  return Object.fromEntries(
    labels.map((label) => [label.slice(0, label.indexOf('=')), label.slice(label.indexOf('=') + 1)]),
  );
});

/** The one table that flags, environment, YAML keys, checks and docs/configuration.md of the node come from. */
export const NODE_FIELDS = {
  nodeId: requiredField({
    help: "the Kubernetes node's name; its host NQN and host ID come from it",
    placeholder: 'name',
    schema: domainSchema(parseNodeId, 'nodeId'),
  }),
  connector: defaultField({
    help: 'how volumes are connected: `nvme`, or `loop` on the files of a simulated RDS on this machine',
    placeholder: 'way',
    schema: oneOfSchema(['nvme', 'loop']),
    default: 'nvme',
  }),
  loopBackingDir: optionalField({
    help: "for `connector: loop`: the simulated RDS's folder (`--state-dir`)",
    placeholder: 'path',
    schema: pathSchema,
    otherwise: 'needed by `loop` alone',
  }),
  nqnPrefix: defaultField({
    help: 'what the NQN of a volume begins with whose stage has left no note; the start of the node ends left-over sessions with it alone, if nobody uses them',
    placeholder: 'nqn',
    schema: domainSchema(parseNqnPrefix, 'nqnPrefix'),
    default: 'nqn.2000-02.com.mikrotik:',
  }),
  kubeletDir: defaultField({
    help: "the kubelet's directory: paths that are not below it are refused",
    placeholder: 'path',
    schema: pathSchema,
    default: '/var/lib/kubelet',
  }),
  maxVolumes: defaultField({
    help: 'most volumes that Kubernetes puts on this node; 0: it is not told',
    placeholder: 'number',
    schema: integerSchema('a number of volumes', 0, MOST_VOLUMES),
    default: '0',
  }),
  topology: optionalField({
    help: 'labels that Kubernetes may bind volumes to, `key=value,…`',
    placeholder: 'labels',
    schema: topologySchema,
    otherwise: 'none',
  }),
  ...TEMPORAL_FIELDS,
  ...PROCESS_FIELDS,
};

/** All that the node process is told from outside, checked. */
export interface NodeConfig {
  readonly socketPath: string;
  readonly driverName: string;
  readonly nodeId: NodeId;
  readonly connector: { readonly kind: 'nvme' } | { readonly kind: 'loop'; readonly backingDir: string };
  readonly nqnPrefix: NqnPrefix;
  readonly kubeletDir: string;
  readonly maxVolumes: number;
  readonly topology: Readonly<Record<string, string>>;
  readonly temporal: TemporalConfig;
  readonly httpAddress: ListenAddress | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly warnings: readonly string[];
}

/** Reads and checks the configuration. Throws one ConfigError that names all that is wrong. */
export function loadNodeConfig(sources: ConfigSources): NodeConfig {
  const fields = parseFields(NODE_FIELDS, sources);
  checkConnector(fields);
  checkTemporal(fields);
  const values = fields.complete();
  return {
    socketPath: values.endpoint,
    driverName: values.driverName,
    nodeId: values.nodeId,
    connector: connectorOf(values.connector, values.loopBackingDir),
    nqnPrefix: values.nqnPrefix,
    kubeletDir: values.kubeletDir,
    maxVolumes: values.maxVolumes,
    topology: values.topology ?? {},
    temporal: temporalConfigOf(values),
    httpAddress: values.httpAddress,
    logLevel: values.logLevel,
    warnings: fields.warnings,
  };
}

function checkConnector(fields: ParsedFields<typeof NODE_FIELDS>): void {
  const { connector } = fields.values;
  if (connector === 'loop' && !fields.isGiven('loopBackingDir')) {
    fields.refuse('loopBackingDir', 'missing: connector loop needs the folder of the simulated RDS');
  }
  if (connector === 'nvme' && fields.isGiven('loopBackingDir')) {
    fields.refuse('loopBackingDir', 'is given without connector loop');
  }
}

function connectorOf(kind: 'nvme' | 'loop', backingDir: string | undefined): NodeConfig['connector'] {
  if (kind === 'nvme') return { kind };
  if (backingDir === undefined) throw new Fault('InvalidArgument', 'loopBackingDir: missing');
  return { kind, backingDir };
}
