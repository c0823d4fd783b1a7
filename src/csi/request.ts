import type { CapabilityInput } from '../domain/capability';
import { Fault } from '../domain/fault';
import { findVolumeId, parseVolumeId, type VolumeId } from '../domain/volume-id';
import { type VolumeCapability, VolumeCapability_AccessMode_Mode } from './generated/csi';

/** Largest map that a request may carry, keys and values together, in bytes (CSI spec 1.12, Size Limits). */
const LARGEST_MAP_BYTES = 4096;

/** A capability as the domain reads it: CSI's own names, whatever numbers came over the wire. */
export function capabilityInputOf(capability: VolumeCapability): CapabilityInput {
  const mode = capability.accessMode?.mode;
  const accessMode = mode === undefined ? undefined : (VolumeCapability_AccessMode_Mode[mode] ?? String(mode));
  const { accessType } = capability;
  if (accessType?.$case === 'mount') return { accessType: { kind: 'mount', ...accessType.value }, accessMode };
  return { accessType: accessType && { kind: 'block' }, accessMode };
}

/** Throws InvalidArgument if a map of the request is larger than CSI allows. */
export function requireSmallMap(map: Readonly<Record<string, string>>, field: string): void {
  const bytes = Object.entries(map).reduce((sum, entry) => sum + Buffer.byteLength(entry.join('')), 0);
  if (bytes > LARGEST_MAP_BYTES) {
    throw new Fault('InvalidArgument', `${field}: ${bytes} B, at most ${LARGEST_MAP_BYTES} B are allowed`);
  }
}

/** What is wrong with a request says of which volume, if it is one of this driver's: the kubelet shows a person the message alone. */
export function aboutRequested<T>(volumeId: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const isSaid = !(error instanceof Fault) || error.message.includes(volumeId);
    if (isSaid || findVolumeId(volumeId) === undefined) throw error;
    throw new Fault(error.kind, `${volumeId}: ${error.message}`, { cause: error });
  }
}

/** The value, or InvalidArgument naming the field that is missing. */
export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new Fault('InvalidArgument', `${field}: missing`);
  return value;
}

/** The volume ID; undefined if it is well-formed and none that this driver gives out: what it names does not exist. */
export function findRequestedVolume(text: string): VolumeId | undefined {
  try {
    return parseVolumeId(text);
  } catch (error) {
    if (error instanceof Fault && error.kind === 'VolumeNotFound') return undefined;
    throw error;
  }
}
