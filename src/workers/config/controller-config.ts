import { utils } from 'ssh2';
import { z } from 'zod';
import type { Fencing } from '../../domain/export';
import type { NqnPrefix } from '../../domain/nqn';
import { parseNqnPrefix } from '../../domain/nqn';
import { type ClusterId, parseClusterId } from '../../domain/record';
import { parseVolumePath, type VolumePath } from '../../domain/volume-path';
import {
  defaultField,
  fileField,
  optionalField,
  requiredField,
  requiredListField,
  secretFileField,
  secretLineField,
} from './field';
import { hostKeySchema } from './host-key';
import { chooseKubernetes, KUBERNETES_FIELDS, type KubernetesConfig, type NodeCheck } from './kubernetes-fields';
import { type ConfigSources, type ParsedFields, parseFields } from './load';
import { checkReconcile, RECONCILE_FIELDS, type ReconcileConfig, reconcileConfigOf } from './reconcile-fields';
import {
  domainSchema,
  hostSchema,
  integerSchema,
  type ListenAddress,
  nameSchema,
  oneOfSchema,
  portSchema,
} from './schemas';
import type { Secret } from './secret';
import { checkTemporal, PROCESS_FIELDS, TEMPORAL_FIELDS, type TemporalConfig, temporalConfigOf } from './shared-fields';

export type { KubernetesConfig } from './kubernetes-fields';
export type { ListenAddress } from './schemas';
export type { TemporalConfig } from './shared-fields';

const MOST_EXECS = 64;

/** The one table that flags, environment, YAML keys, checks and docs/configuration.md of the controller come from. */
export const CONTROLLER_FIELDS = {
  clusterId: requiredField({
    help: 'name of this cluster, written into the record of every volume; never to be changed',
    placeholder: 'id',
    schema: domainSchema(parseClusterId, 'clusterId'),
  }),
  volumePaths: requiredListField({
    help: 'directories on the RDS that volumes may lie in or below; the first is the default of a StorageClass',
    placeholder: 'path,…',
    schema: z.array(domainSchema(parseVolumePath, 'volumePaths')).min(1, 'is empty'),
  }),
  rdsAddress: requiredField({ help: 'IP address or name of the RDS', placeholder: 'host', schema: hostSchema }),
  rdsPort: defaultField({ help: 'SSH port of the RDS', placeholder: 'port', schema: portSchema, default: '22' }),
  rdsUser: requiredField({
    help: 'user on the RDS, with the policies ssh, read, write and test',
    placeholder: 'name',
    schema: nameSchema,
  }),
  rdsPrivateKeyFile: secretFileField({
    help: 'private key to log in with; this, `rdsPasswordFile` or both',
    otherwise: 'no login by key',
  }),
  rdsPrivateKeyPassphraseFile: secretLineField({
    help: 'passphrase of `rdsPrivateKeyFile`',
    otherwise: 'the key has none',
  }),
  rdsPasswordFile: secretLineField({ help: 'password to log in with', otherwise: 'no login by password' }),
  rdsHostKey: optionalField({
    help: 'host key of the RDS, as `ssh-ed25519 AAAA…` or its fingerprint `SHA256:…`; this or `rdsKnownHostsFile`',
    placeholder: 'key',
    schema: hostKeySchema,
    otherwise: '`rdsKnownHostsFile` has it',
  }),
  rdsKnownHostsFile: fileField({
    help: 'host keys in the form of OpenSSH’s known_hosts; read anew at each connection',
    otherwise: '`rdsHostKey` says it',
  }),
  rdsMaxExecs: defaultField({
    help: 'most commands that run on the RDS at a time',
    placeholder: 'number',
    schema: integerSchema('a number of commands', 1, MOST_EXECS),
    default: '4',
  }),
  nvmeAddress: optionalField({
    help: 'address of the RDS for NVMe/TCP, where a StorageClass does not say another',
    placeholder: 'host',
    schema: hostSchema,
    otherwise: '`rdsAddress`',
  }),
  nvmePort: defaultField({ help: 'NVMe/TCP port', placeholder: 'port', schema: portSchema, default: '4420' }),
  nqnPrefix: defaultField({
    help: 'what the NQN of every volume begins with',
    placeholder: 'nqn',
    schema: domainSchema(parseNqnPrefix, 'nqnPrefix'),
    default: 'nqn.2000-02.com.mikrotik:',
  }),
  fencing: defaultField({
    help:
      'what keeps nodes out that do not have a volume: `off`, nothing on the RDS; `allow-host`, the RDS lets in only the host NQN ' +
      'of the node that has it. Not proven on hardware yet: docs/limitations.md',
    placeholder: 'way',
    schema: oneOfSchema(['off', 'allow-host']),
    default: 'off',
  }),
  ...KUBERNETES_FIELDS,
  ...RECONCILE_FIELDS,
  ...TEMPORAL_FIELDS,
  ...PROCESS_FIELDS,
};

export interface RdsConfig {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly privateKey: Secret | undefined;
  readonly passphrase: Secret | undefined;
  readonly password: Secret | undefined;
  /** The key that the RDS must show. */
  readonly hostKey:
    | { readonly kind: 'pinned'; readonly key: string }
    | { readonly kind: 'known-hosts'; readonly path: string };
  readonly maxExecs: number;
}

/** All that the controller process is told from outside, checked. */
export interface ControllerConfig {
  readonly socketPath: string;
  readonly driverName: string;
  readonly clusterId: ClusterId;
  /** At least one; the first is the default of a StorageClass. */
  readonly volumePaths: readonly VolumePath[];
  readonly rds: RdsConfig;
  readonly nvme: { readonly address: string; readonly port: number; readonly nqnPrefix: NqnPrefix };
  readonly temporal: TemporalConfig;
  readonly fencing: Fencing;
  /** Undefined: Kubernetes is not asked. */
  readonly kubernetes: KubernetesConfig | undefined;
  readonly nodeCheck: NodeCheck;
  readonly reconcile: ReconcileConfig;
  /** Undefined: no metrics and health over HTTP. */
  readonly httpAddress: ListenAddress | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** What is worth a warning in the log at start, a sentence each. */
  readonly warnings: readonly string[];
}

type ControllerFields = ParsedFields<typeof CONTROLLER_FIELDS>;

/** Reads and checks the configuration. Throws one ConfigError that names all that is wrong. */
export function loadControllerConfig(sources: ConfigSources): ControllerConfig {
  const fields = parseFields(CONTROLLER_FIELDS, sources);
  if (fields.sourcesRead) {
    checkLogin(fields);
    checkHostKey(fields);
    checkTemporal(fields);
    checkReconcile(fields);
  }
  const { kubernetes, nodeCheck } = chooseKubernetes(fields, sources);
  const values = fields.complete();
  return {
    socketPath: values.endpoint,
    driverName: values.driverName,
    clusterId: values.clusterId,
    volumePaths: values.volumePaths,
    rds: rdsConfigOf(values),
    nvme: { address: values.nvmeAddress ?? values.rdsAddress, port: values.nvmePort, nqnPrefix: values.nqnPrefix },
    temporal: temporalConfigOf(values),
    fencing: values.fencing,
    kubernetes,
    nodeCheck,
    reconcile: reconcileConfigOf(values),
    httpAddress: values.httpAddress,
    logLevel: values.logLevel,
    warnings: fields.warnings,
  };
}

function checkLogin(fields: ControllerFields): void {
  const { rdsPrivateKeyFile: key, rdsPrivateKeyPassphraseFile: passphrase } = fields.values;
  if (!fields.isGiven('rdsPrivateKeyFile') && !fields.isGiven('rdsPasswordFile')) {
    fields.refuse('rdsPrivateKeyFile', 'missing, and rdsPasswordFile too: one of the two is needed to log in');
  }
  if (fields.isGiven('rdsPrivateKeyPassphraseFile') && !fields.isGiven('rdsPrivateKeyFile')) {
    fields.refuse('rdsPrivateKeyPassphraseFile', 'is given without rdsPrivateKeyFile');
  }
  if (key === undefined || (passphrase === undefined && fields.isGiven('rdsPrivateKeyPassphraseFile'))) return;
  const parsed = utils.parseKey(key.reveal(), passphrase?.reveal());
  if (parsed instanceof Error) {
    fields.refuse(
      'rdsPrivateKeyFile',
      'holds no private key that can be used: of a form that is not known, or not opened by its passphrase',
    );
  } else if (![parsed].flat().some((candidate) => candidate.isPrivateKey())) {
    fields.refuse('rdsPrivateKeyFile', 'holds a public key, no private one');
  }
}

function checkHostKey(fields: ControllerFields): void {
  const pinned = fields.isGiven('rdsHostKey');
  const listed = fields.isGiven('rdsKnownHostsFile');
  if (!pinned && !listed) {
    fields.refuse('rdsHostKey', 'missing, and rdsKnownHostsFile too: the host key of the RDS must be known');
  }
  if (pinned && listed) fields.refuse('rdsHostKey', 'is given beside rdsKnownHostsFile; only one of the two may be');
}

function rdsConfigOf(values: ReturnType<ControllerFields['complete']>): RdsConfig {
  return {
    address: values.rdsAddress,
    port: values.rdsPort,
    user: values.rdsUser,
    privateKey: values.rdsPrivateKeyFile,
    passphrase: values.rdsPrivateKeyPassphraseFile,
    password: values.rdsPasswordFile,
    hostKey: hostKeyOf(values),
    maxExecs: values.rdsMaxExecs,
  };
}

function hostKeyOf({
  rdsHostKey,
  rdsKnownHostsFile,
}: Pick<ReturnType<ControllerFields['complete']>, 'rdsHostKey' | 'rdsKnownHostsFile'>): RdsConfig['hostKey'] {
  if (rdsHostKey !== undefined) return { kind: 'pinned', key: rdsHostKey };
  if (rdsKnownHostsFile !== undefined) return { kind: 'known-hosts', path: rdsKnownHostsFile.path };
  throw new Error('checkHostKey let a configuration without a host key pass');
}
