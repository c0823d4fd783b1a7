import { Fault } from './fault';
import { parseHostAddress } from './host-address';
import { parseSubsystemNqn, type SubsystemNqn } from './nqn';
import { formatUntrusted } from './text';
import type { VolumeId } from './volume-id';
import { parseVolumePath, type VolumePath } from './volume-path';

/** What a node reads in a PersistentVolume's `volume_context`, this driver's or the existing Go driver's. */
export interface VolumeContext {
  readonly nqn: SubsystemNqn;
  readonly nvmeAddress: string;
  readonly nvmePort: number;
  readonly volumePath: VolumePath;
  /** Seconds; -1: never give a lost connection up. */
  readonly ctrlLossTmo: number;
  readonly reconnectDelay: number;
  /** Seconds; undefined: the kernel's own. */
  readonly keepAliveTmo: number | undefined;
  /** As it was given in the StorageClass; undefined: none. */
  readonly mkfsOptions: string | undefined;
}

const LARGEST_INT32 = 2 ** 31 - 1;

/** Throws InvalidArgument naming `volume_context.<key>`. Keys that are not this driver's are the kubelet's and ignored. */
export function parseVolumeContext(map: Readonly<Record<string, string>>, volumeId: VolumeId): VolumeContext {
  const required = (key: string): string => {
    const text = map[key];
    if (!text) throw new Fault('InvalidArgument', `volume_context.${key}: missing`);
    return text;
  };
  const integer = (key: string, { least, otherwise }: { least: number; otherwise: number }): number =>
    map[key] ? parseInteger(map[key], `volume_context.${key}`, least) : otherwise;
  const nqn = parseSubsystemNqn(required('nqn'), 'volume_context.nqn');
  if (!nqn.endsWith(`:${volumeId}`)) {
    throw new Fault('InvalidArgument', `volume_context.nqn: ${nqn} is not of ${volumeId}`);
  }
  // The Go driver's volumes always have nvmeAddress; rdsAddress is its oldest ones' only address.
  const addressKey = map.nvmeAddress ? 'nvmeAddress' : 'rdsAddress';
  const nvmePort = integer('nvmePort', { least: 1, otherwise: 4420 });
  if (nvmePort > 65_535) throw new Fault('InvalidArgument', `volume_context.nvmePort: ${nvmePort} is no port`);
  return {
    nqn,
    nvmeAddress: parseHostAddress(required(addressKey), `volume_context.${addressKey}`),
    nvmePort,
    volumePath: parseVolumePath(required('volumePath'), 'volume_context.volumePath'),
    ctrlLossTmo: integer('ctrlLossTmo', { least: -1, otherwise: -1 }),
    reconnectDelay: integer('reconnectDelay', { least: 1, otherwise: 5 }),
    keepAliveTmo: map.keepAliveTmo ? integer('keepAliveTmo', { least: 1, otherwise: 1 }) : undefined,
    mkfsOptions: map.mkfsOptions || undefined,
  };
}

function parseInteger(text: string, field: string, least: number): number {
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= LARGEST_INT32)) {
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} is no whole number of at least ${least}`);
  }
  return value;
}
