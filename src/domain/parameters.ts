import { type Claim, parseClaim } from './claim';
import { Fault } from './fault';
import { parseFileSystem } from './file-system';
import { parseHostAddress } from './host-address';
import { isKubernetesSubdomain } from './kubernetes-name';
import { parseMigrationSeconds, USUAL_MIGRATION_SECONDS } from './migration';
import { type NqnPrefix, parseNqnPrefix } from './nqn';
import { formatUntrusted, hasControlCharacter, utf8Bytes } from './text';
import { parseVolumePathUnder, type VolumePath } from './volume-path';

/** What a StorageClass that says nothing gets: from the driver's configuration. */
export interface ParameterDefaults {
  /** The directories that volumes may lie under; the first is the default. */
  readonly volumePaths: readonly VolumePath[];
  readonly nvmeAddress: string;
  readonly nvmePort: number;
  readonly nqnPrefix: NqnPrefix;
}

/** CreateVolume's `parameters`, read, with defaults filled in. */
export interface StorageClassParameters {
  readonly volumePath: VolumePath;
  /** Where nodes connect to: IP address or DNS host name of the data network. */
  readonly nvmeAddress: string;
  /** TCP port, 1 to 65535. */
  readonly nvmePort: number;
  readonly nqnPrefix: NqnPrefix;
  /** For nodes, when they format; undefined: none. */
  readonly mkfsOptions: string | undefined;
  /** Seconds until a node gives a lost connection up; -1: never. */
  readonly ctrlLossTmo: number;
  /** Seconds between a node's tries to reconnect. */
  readonly reconnectDelay: number;
  /** Seconds; undefined: the kernel's own. */
  readonly keepAliveTmo: number | undefined;
  /** Seconds that a volume may be attached to two nodes for a live migration: 30 to 3600. */
  readonly migrationTimeoutSeconds: number;
  /** The PersistentVolumeClaim that the volume is made for; undefined where the provisioner does not tell. */
  readonly claim: Claim | undefined;
}

const OWN_KEYS: readonly string[] = [
  'volumePath',
  'nvmeAddress',
  'nvmePort',
  'nqnPrefix',
  'mkfsOptions',
  'ctrlLossTmo',
  'reconnectDelay',
  'keepAliveTmo',
  'migrationTimeoutSeconds',
];

/** Keys that the sidecars add; those that this driver does not understand are theirs, and ignored. */
const SIDECAR_PREFIX = 'csi.storage.k8s.io/';

/** The kernel keeps these times in C ints. */
const LARGEST_INT32 = 2 ** 31 - 1;
const LONGEST_MKFS_OPTIONS_BYTES = 1024;
/** What options of mkfs are made of; no shell ever sees them, and nothing in this set would mean anything to one. */
const MKFS_OPTIONS = /^[A-Za-z0-9 _.,:=^+/-]*$/;
const DECIMAL = /^-?(?:0|[1-9][0-9]{0,9})$/;

type Values = ReadonlyMap<string, string>;

/** Throws InvalidArgument naming `parameters.<key>`: an unknown key, a malformed value, a path under none of the roots. */
export function parseParameters(
  map: Readonly<Record<string, string>>,
  defaults: ParameterDefaults,
): StorageClassParameters {
  const values: Values = new Map(Object.entries(map));
  requireKnownKeys(values);
  // The provisioner says the same in the capabilities, which are what counts.
  findParsed(values, `${SIDECAR_PREFIX}fstype`, (text, field) => text === '' || parseFileSystem(text, field));
  return {
    volumePath: findVolumePath(values, defaults.volumePaths),
    nvmeAddress: findParsed(values, 'nvmeAddress', parseHostAddress) ?? defaults.nvmeAddress,
    nvmePort: findInteger(values, 'nvmePort', { least: 1, most: 65_535 }) ?? defaults.nvmePort,
    nqnPrefix: findParsed(values, 'nqnPrefix', parseNqnPrefix) ?? defaults.nqnPrefix,
    mkfsOptions: findParsed(values, 'mkfsOptions', parseMkfsOptions),
    ctrlLossTmo: findInteger(values, 'ctrlLossTmo', { least: -1, most: LARGEST_INT32 }) ?? -1,
    reconnectDelay: findInteger(values, 'reconnectDelay', { least: 1, most: LARGEST_INT32 }) ?? 5,
    keepAliveTmo: findInteger(values, 'keepAliveTmo', { least: 1, most: LARGEST_INT32 }),
    migrationTimeoutSeconds:
      findParsed(values, 'migrationTimeoutSeconds', parseMigrationSeconds) ?? USUAL_MIGRATION_SECONDS,
    claim: findClaim(values),
  };
}

function requireKnownKeys(values: Values): void {
  for (const key of values.keys()) {
    if (!OWN_KEYS.includes(key) && !key.startsWith(SIDECAR_PREFIX)) {
      throw new Fault(
        'InvalidArgument',
        `parameters: unknown key ${formatUntrusted(key)}; known keys: ${OWN_KEYS.join(', ')}`,
      );
    }
  }
}

/** The key's value, read by its parser with the field's name; undefined if the key is not there. */
function findParsed<T>(values: Values, key: string, parse: (text: string, field: string) => T): T | undefined {
  const text = values.get(key);
  return text === undefined ? undefined : parse(text, `parameters.${key}`);
}

function findVolumePath(values: Values, roots: readonly VolumePath[]): VolumePath {
  const path = findParsed(values, 'volumePath', (text, field) => parseVolumePathUnder(text, roots, field)) ?? roots[0];
  if (path === undefined) throw new Fault('InvalidArgument', 'parameters.volumePath: missing, and there is no default');
  return path;
}

function findInteger(
  values: Values,
  key: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  return findParsed(values, key, (text, field) => {
    const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new Fault(
        'InvalidArgument',
        `${field}: ${formatUntrusted(text)} is no whole number from ${least} to ${most}`,
      );
    }
    return value;
  });
}

function parseMkfsOptions(text: string, field: string): string | undefined {
  if (utf8Bytes(text) > LONGEST_MKFS_OPTIONS_BYTES) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${utf8Bytes(text)} bytes, at most ${LONGEST_MKFS_OPTIONS_BYTES} are allowed`,
    );
  }
  if (hasControlCharacter(text)) throw new Fault('InvalidArgument', `${field}: has control characters`);
  if (!MKFS_OPTIONS.test(text)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} has characters other than A-Z a-z 0-9 space _ . , : = ^ + / -`,
    );
  }
  return text.trim() === '' ? undefined : text.trim();
}

/** Only namespace and name together tell of a claim. The PV's name is checked alone: it is the volume's own. */
function findClaim(values: Values): Claim | undefined {
  for (const key of ['pvc/namespace', 'pvc/name', 'pv/name']) {
    findParsed(values, `${SIDECAR_PREFIX}${key}`, requireKubernetesName);
  }
  const namespace = values.get(`${SIDECAR_PREFIX}pvc/namespace`);
  const name = values.get(`${SIDECAR_PREFIX}pvc/name`);
  if (namespace === undefined || name === undefined) return undefined;
  return parseClaim({ namespace, name }, `parameters.${SIDECAR_PREFIX}pvc`);
}

function requireKubernetesName(text: string, field: string): void {
  if (!isKubernetesSubdomain(text)) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} is no Kubernetes name (DNS-1123)`);
  }
}
