import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Fault } from '../../domain/fault';
import { formatUntrusted } from '../../domain/text';

/** Where the RDS's host key is known from. There is no trust on first use. */
export type HostKeySource =
  /** An OpenSSH line (`ssh-ed25519 AAAA…`) or a fingerprint (`SHA256:…`). */
  | { readonly kind: 'pinned'; readonly key: string }
  /** A known_hosts file: read anew at each connection, so that mending it is enough. */
  | { readonly kind: 'known-hosts'; readonly path: string };

/** What a connection asks about the key that the server offers. */
export interface HostKeyCheck {
  /** Types of the keys that are known, which the server is asked for first; empty where no type is known. */
  readonly types: readonly string[];
  /** Why the key is refused, and what to do, for a person; undefined if it is the known one. */
  whyRefused(key: Buffer): string | undefined;
}

interface KnownKey {
  readonly type: string;
  readonly blob: Buffer;
}

interface KnownHostsLine extends KnownKey {
  readonly marker: string | undefined;
  readonly hosts: string;
}

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;
const DEFAULT_SSH_PORT = 22;

/**
 * A check for connections to `host`, made anew for each. Throws InvalidArgument at once if the pinned key is no key; a
 * known_hosts file that cannot be read refuses every key, with the reason.
 */
export function createHostKeyCheck(source: HostKeySource, target: { host: string; port: number }): () => HostKeyCheck {
  if (source.kind === 'known-hosts') return () => checkByFile(source.path, target);
  const pinned = source.key.trim();
  const check = FINGERPRINT.test(pinned) ? checkByFingerprint(pinned) : checkByKey(parsePublicKey(pinned));
  return () => check;
}

/** A key's fingerprint as OpenSSH shows it: `SHA256:` and unpadded base64. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

function checkByFingerprint(pinned: string): HostKeyCheck {
  const expected = pinned.replace(/=$/, '');
  return {
    types: [],
    whyRefused: (key) => (fingerprintOf(key) === expected ? undefined : differs(key, `the pinned one is ${expected}`)),
  };
}

function checkByKey(pinned: KnownKey): HostKeyCheck {
  return {
    types: [pinned.type],
    whyRefused: (key) =>
      sameKey(key, pinned.blob)
        ? undefined
        : differs(key, `the pinned one is ${pinned.type} ${fingerprintOf(pinned.blob)}`),
  };
}

function checkByFile(path: string, target: { host: string; port: number }): HostKeyCheck {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { types: [], whyRefused: (key) => `${offered(key)}, and the known_hosts file cannot be read: ${reason}` };
  }
  const name = target.port === DEFAULT_SSH_PORT ? target.host : `[${target.host}]:${target.port}`;
  const lines = text.split('\n').flatMap(parseKnownHostsLine);
  const ofHost = lines.filter(({ hosts }) => namesHost(hosts, name.toLowerCase()));
  const known = ofHost.filter(({ marker }) => marker === undefined);
  return {
    types: [...new Set(known.map(({ type }) => type))],
    whyRefused(key) {
      if (ofHost.some(({ marker, blob }) => marker === '@revoked' && sameKey(key, blob))) {
        return `${offered(key)}, which ${path} has revoked: take it for an attack until it is explained`;
      }
      if (known.some(({ blob }) => sameKey(key, blob))) return undefined;
      if (known.length === 0) {
        const advice = `compare it with the one on the RDS and add "${name} ${typeOf(key)} ${key.toString('base64')}"`;
        return `${offered(key)}, and ${path} knows no key of ${name}: ${advice}`;
      }
      return differs(
        key,
        `${path} has ${known.map(({ type, blob }) => `${type} ${fingerprintOf(blob)}`).join(' and ')}`,
      );
    },
  };
}

function differs(key: Buffer, expected: string): string {
  const advice = 'if the RDS was given a new key, put that one in its place; if not, somebody is in between';
  return `${offered(key)}, and ${expected}: ${advice}`;
}

function offered(key: Buffer): string {
  return `host key refused: offered is ${typeOf(key)} ${fingerprintOf(key)}`;
}

/** A comma-separated list of names and patterns, or one hashed name; a pattern after `!` excludes. sshd(8), SSH_KNOWN_HOSTS. */
function namesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) return isHashOf(hosts, name);
  const patterns = hosts.toLowerCase().split(',');
  const matches = (pattern: string) => globOf(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false;
  return patterns.some(matches);
}

function isHashOf(hosts: string, name: string): boolean {
  const [, , salt = '', hash = ''] = hosts.split('|');
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function globOf(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
}

/** A line that cannot be read knows no key; `@cert-authority` is passed over, as RouterOS has no host certificates. */
function parseKnownHostsLine(line: string): readonly KnownHostsLine[] {
  const words = line.trim().split(/\s+/);
  if (words[0] === undefined || words[0] === '' || words[0].startsWith('#')) return [];
  const marker = words[0].startsWith('@') ? words.shift() : undefined;
  const [hosts, type, base64] = words;
  if (hosts === undefined || type === undefined || base64 === undefined) return [];
  const blob = Buffer.from(base64, 'base64');
  return typeOf(blob) === type ? [{ marker, hosts, type, blob }] : [];
}

function parsePublicKey(text: string): KnownKey {
  const [type, base64] = text.split(/\s+/);
  const blob = Buffer.from(base64 ?? '', 'base64');
  if (type === undefined || blob.length === 0 || typeOf(blob) !== type) {
    const shown = formatUntrusted(text);
    throw new Fault('InvalidArgument', `host key: ${shown} is neither an OpenSSH public key nor SHA256:<fingerprint>`);
  }
  return { type, blob };
}

/** RFC 4253, 6.6: a public key begins with its type, as a string with its length. */
function typeOf(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  const type = key.subarray(4, 4 + length).toString('latin1');
  return /^[a-z0-9@.-]{1,64}$/.test(type) ? type : 'unknown';
}

function sameKey(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
