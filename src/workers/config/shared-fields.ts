/** Fields that every process of the driver has: the controller today, the node with its own issue. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { TLSConfig } from '@temporalio/client';
import { defaultField, fileField, optionalField, secretFileField, secretLineField, switchField } from './field';
import type { ParsedFields } from './load';
import {
  booleanSchema,
  driverNameSchema,
  hostSchema,
  listenAddressSchema,
  nameSchema,
  oneOfSchema,
  socketPathSchema,
  temporalAddressSchema,
} from './schemas';
import type { Secret } from './secret';

export const PROCESS_FIELDS = {
  endpoint: defaultField({
    help: 'Unix socket on which gRPC is served',
    placeholder: 'url',
    schema: socketPathSchema,
    default: 'unix:///csi/csi.sock',
  }),
  driverName: defaultField({
    help: 'name under which Kubernetes knows the driver',
    placeholder: 'name',
    schema: driverNameSchema,
    default: 'rds.csi.srvlab.io',
  }),
  httpAddress: defaultField({
    help: 'where /metrics, /healthz and /readyz are served; `off` for nowhere',
    placeholder: 'host:port',
    schema: listenAddressSchema,
    default: ':9809',
  }),
  logLevel: defaultField({
    help: 'least level that is logged: debug, info, warn or error',
    placeholder: 'level',
    schema: oneOfSchema(['debug', 'info', 'warn', 'error']),
    default: 'info',
  }),
};

export const TEMPORAL_FIELDS = {
  temporalAddress: defaultField({
    help: "Temporal's front end",
    placeholder: 'host:port',
    schema: temporalAddressSchema,
    default: 'localhost:7233',
  }),
  temporalNamespace: defaultField({
    help: 'namespace in Temporal, which exists',
    placeholder: 'name',
    schema: nameSchema,
    default: 'default',
  }),
  temporalTls: switchField({
    help: 'whether Temporal is reached over TLS',
    schema: booleanSchema,
    otherwise: 'yes if another of the TLS fields or an API key is given, else no',
  }),
  temporalTlsCaFile: fileField({
    help: "PEM certificates that vouch for Temporal's",
    otherwise: "the system's",
  }),
  temporalTlsCertFile: fileField({
    help: 'PEM certificate that this process shows to Temporal; with `temporalTlsKeyFile`',
    otherwise: 'none is shown',
  }),
  temporalTlsKeyFile: secretFileField({
    help: 'PEM private key of `temporalTlsCertFile`, without a passphrase',
    otherwise: 'none is needed',
  }),
  temporalTlsServerName: optionalField({
    help: "name in Temporal's certificate, if it is not the host of `temporalAddress`",
    placeholder: 'host',
    schema: hostSchema,
    otherwise: 'the host of `temporalAddress`',
  }),
  temporalApiKeyFile: secretLineField({
    help: 'API key, as for Temporal Cloud',
    otherwise: 'none is sent',
  }),
};

/** How Temporal is reached. */
export interface TemporalConfig {
  readonly address: string;
  readonly namespace: string;
  /** As Temporal's clients and workers take it; undefined: in clear. */
  readonly tls: TLSConfig | undefined;
  readonly apiKey: Secret | undefined;
}

/** A certificate and its key in the form that Temporal's SDK reads; printed or serialised, the key is not there. */
class ClientCertificate {
  readonly #key: Secret;

  constructor(
    readonly crt: Uint8Array,
    key: Secret,
  ) {
    this.#key = key;
  }

  get key(): Uint8Array {
    return Buffer.from(this.#key.reveal());
  }
}

type TemporalFields = ParsedFields<typeof TEMPORAL_FIELDS>;

/** The rules over several fields: certificate and key belong together, and what needs TLS has it. */
export function checkTemporal(fields: TemporalFields): void {
  const { temporalTls, temporalTlsCaFile, temporalTlsCertFile, temporalTlsKeyFile } = fields.values;
  if (temporalTls === false) {
    for (const key of NEEDS_TLS) {
      if (fields.isGiven(key)) fields.refuse(key, 'needs TLS, and temporalTls is false');
    }
  }
  if (fields.isGiven('temporalTlsCertFile') !== fields.isGiven('temporalTlsKeyFile')) {
    const [given, absent] = fields.isGiven('temporalTlsCertFile')
      ? (['temporalTlsCertFile', 'temporalTlsKeyFile'] as const)
      : (['temporalTlsKeyFile', 'temporalTlsCertFile'] as const);
    fields.refuse(given, `is given without ${absent}`);
  }
  if (temporalTlsCaFile !== undefined && !findCertificate(temporalTlsCaFile.text)) {
    fields.refuse('temporalTlsCaFile', `${temporalTlsCaFile.path} holds no PEM certificate`);
  }
  const certificate = temporalTlsCertFile && findCertificate(temporalTlsCertFile.text);
  if (temporalTlsCertFile !== undefined && !certificate) {
    fields.refuse('temporalTlsCertFile', `${temporalTlsCertFile.path} holds no PEM certificate`);
  }
  const key = temporalTlsKeyFile && findPrivateKey(temporalTlsKeyFile);
  if (temporalTlsKeyFile !== undefined && !key) {
    fields.refuse('temporalTlsKeyFile', 'holds no PEM private key that can be read without a passphrase');
  }
  if (certificate && key && !certificate.checkPrivateKey(key)) {
    fields.refuse('temporalTlsKeyFile', 'is not the key of the certificate in temporalTlsCertFile');
  }
}

const NEEDS_TLS = [
  'temporalTlsCaFile',
  'temporalTlsCertFile',
  'temporalTlsKeyFile',
  'temporalTlsServerName',
  'temporalApiKeyFile',
] as const;

export function temporalConfigOf(values: ReturnType<TemporalFields['complete']>): TemporalConfig {
  const { temporalTlsCaFile, temporalTlsCertFile, temporalTlsKeyFile, temporalTlsServerName } = values;
  const secure = values.temporalTls ?? NEEDS_TLS.some((key) => values[key] !== undefined);
  const tls: TLSConfig = {
    ...(temporalTlsCaFile && { serverRootCACertificate: Buffer.from(temporalTlsCaFile.text) }),
    ...(temporalTlsServerName !== undefined && { serverNameOverride: temporalTlsServerName }),
    ...(temporalTlsCertFile &&
      temporalTlsKeyFile && {
        clientCertPair: new ClientCertificate(Buffer.from(temporalTlsCertFile.text), temporalTlsKeyFile),
      }),
  };
  return {
    address: values.temporalAddress,
    namespace: values.temporalNamespace,
    tls: secure ? tls : undefined,
    apiKey: values.temporalApiKeyFile,
  };
}

function findCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function findPrivateKey(secret: Secret) {
  try {
    return createPrivateKey(secret.reveal());
  } catch {
    return undefined;
  }
}
