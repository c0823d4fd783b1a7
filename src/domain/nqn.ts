import type { Brand } from './brand';
import { Fault } from './fault';
import { isKubernetesSubdomain } from './kubernetes-name';
import { formatUntrusted } from './text';
import type { VolumeId } from './volume-id';

/** NVMe qualified name of a volume's subsystem: `nqn.<yyyy-mm>.<reverse domain>:<name>`. */
export type SubsystemNqn = Brand<string, 'SubsystemNqn'>;

/** What every NQN of this driver begins with, up to and including a colon. */
export type NqnPrefix = Brand<string, 'NqnPrefix'>;

/** CSI node ID: the Kubernetes node's name. */
export type NodeId = Brand<string, 'NodeId'>;

/** NVMe base specification 2.0, 4.5: an NQN has at most 223 bytes. */
const LONGEST_NQN = 223;
/** `pvc-` and a UUID. */
const VOLUME_ID_LENGTH = 40;
const NAMING_AUTHORITY = String.raw`nqn\.[0-9]{4}-(?:0[1-9]|1[0-2])\.[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*`;
const PREFIX = new RegExp(`^${NAMING_AUTHORITY}(?::[A-Za-z0-9._-]+)*:$`);
const SUBSYSTEM = new RegExp(`^${NAMING_AUTHORITY}(?::[A-Za-z0-9._-]+)+$`);
/** The NVMe specification's own names: discovery, and the host NQNs made of UUIDs. */
const RESERVED = 'nqn.2014-08.org.nvmexpress';

/** With or without the colon at the end; the result has it. Throws InvalidArgument. */
export function parseNqnPrefix(text: string, field: string): NqnPrefix {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  const prefix = text.endsWith(':') ? text : `${text}:`;
  requireLength(prefix, LONGEST_NQN - VOLUME_ID_LENGTH, field);
  if (!PREFIX.test(prefix)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is not nqn.<yyyy-mm>.<reverse domain>[:<name>]`,
    );
  }
  requireOurs(prefix, field);
  return prefix as NqnPrefix;
}

/** An NQN that names one subsystem: with at least one `:<name>`. Throws InvalidArgument. */
export function parseSubsystemNqn(text: string, field: string): SubsystemNqn {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  requireLength(text, LONGEST_NQN, field);
  if (!SUBSYSTEM.test(text)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is not nqn.<yyyy-mm>.<reverse domain>:<name>`,
    );
  }
  requireOurs(text, field);
  return text as SubsystemNqn;
}

/** The NQN that a volume is exported as; at most 223 bytes, as the prefix was parsed with room for the ID. */
export function subsystemNqnOf(prefix: NqnPrefix, volumeId: VolumeId): SubsystemNqn {
  return parseSubsystemNqn(`${prefix}${volumeId}`, 'nqn');
}

/**
 * Which of these NQNs is a volume's, by the ID at its end, whatever its prefix; undefined: none. Throws DeviceMismatch if several
 * are: nobody could say which.
 */
export function findNqnOf(nqns: readonly string[], volumeId: VolumeId): SubsystemNqn | undefined {
  const [nqn, ...others] = new Set(nqns.filter((each) => SUBSYSTEM.test(each) && each.endsWith(`:${volumeId}`)));
  if (others.length > 0) {
    throw new Fault('DeviceMismatch', `${volumeId}: several connections are called so: ${[nqn, ...others].join(', ')}`);
  }
  return nqn === undefined ? undefined : parseSubsystemNqn(nqn, 'nqn');
}

/** A Kubernetes node name: DNS-1123 subdomain, at most 253 characters. Throws InvalidArgument. */
export function parseNodeId(text: string, field: string): NodeId {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (!isKubernetesSubdomain(text)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is no Kubernetes node name (DNS-1123 subdomain)`,
    );
  }
  return text as NodeId;
}

function requireLength(text: string, mostCharacters: number, field: string): void {
  if (text.length > mostCharacters) {
    throw new Fault('InvalidArgument', `${field}: ${text.length} characters, at most ${mostCharacters} are allowed`);
  }
}

function requireOurs(text: string, field: string): void {
  if (text.startsWith(`${RESERVED}:`) || text.startsWith(`${RESERVED}.`)) {
    throw new Fault('InvalidArgument', `${field}: ${RESERVED} is reserved by the NVMe specification`);
  }
}
