import { z } from 'zod';
import { Fault } from '../../domain/fault';
import { parseHostAddress } from '../../domain/host-address';
import { isKubernetesSubdomain } from '../../domain/kubernetes-name';
import { formatUntrusted, hasControlCharacter, utf8Bytes } from '../../domain/text';

/** `sun_path` of a Unix socket has 108 bytes with its NUL, on Linux. */
const LONGEST_SOCKET_PATH_BYTES = 107;
/** CSI spec 1.12, GetPluginInfoResponse.name. */
const LONGEST_DRIVER_NAME = 63;
const LARGEST_PORT = 65_535;
const TEMPORAL_PORT = 7233;
/** The last `:` and digits; what is before them is a host, an IPv6 address in brackets. */
const HOST_AND_PORT = /^(.*?)(?::([0-9]+))?$/s;
const SOCKET_URL = /^unix:\/\/(\/.*)$/s;

/** Where a server listens; without a host: on every address of the machine. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** Makes a schema of a function that returns a value, or the reason why there is none. */
export function schemaOf<Value>(parse: (text: string) => Value | Refusal): z.ZodType<Value, string> {
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (!(value instanceof Refusal)) return value;
    context.addIssue({ code: 'custom', message: value.message });
    return z.NEVER;
  });
}

/** Why a text has no value, for a person. */
export class Refusal {
  constructor(readonly message: string) {}
}

/** A domain type's parser as a schema: `key` is the field that the parser's faults name. */
export function domainSchema<Value>(
  parse: (text: string, field: string) => Value,
  key: string,
): z.ZodType<Value, string> {
  return schemaOf((text) => {
    try {
      return parse(text, key);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return new Refusal(error.message.replace(`${key}: `, ''));
    }
  });
}

/** An IP address or DNS name. A URL is refused without being repeated: it may have a password in it. */
export const hostSchema = schemaOf(parseHost);

export const portSchema = integerSchema('a port', 1, LARGEST_PORT);

export function integerSchema(what: string, least: number, most: number): z.ZodType<number, string> {
  return schemaOf((text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    return new Refusal(`${formatUntrusted(text)} is not ${what}: ${least} to ${most}`);
  });
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const DURATION = /^([0-9]{1,9})([smhd])$/;

/** `90s`, `5m`, `24h`, `7d`, as seconds. */
export function durationSchema(leastSeconds: number, mostSeconds: number): z.ZodType<number, string> {
  return schemaOf((text) => {
    const [, number, unit = ''] = DURATION.exec(text) ?? [];
    const seconds = Number(number) * (UNIT_SECONDS[unit] ?? Number.NaN);
    if (seconds >= leastSeconds && seconds <= mostSeconds) return seconds;
    const range = `${leastSeconds}s to ${mostSeconds / 86_400}d`;
    return new Refusal(`${formatUntrusted(text)} is no duration such as 30s, 5m, 24h, 7d: ${range}`);
  });
}

export function oneOfSchema<const Values extends readonly [string, ...string[]]>(
  values: Values,
): z.ZodType<Values[number], string> {
  const shown = values.join(', ');
  return schemaOf((text) => {
    const value = values.find((candidate) => candidate === text);
    return value ?? new Refusal(`${formatUntrusted(text)} is none of ${shown}`);
  });
}

export const booleanSchema = oneOfSchema(['true', 'false']).transform((text) => text === 'true');

/** `unix:///csi/csi.sock` → `/csi/csi.sock`. */
export const socketPathSchema = schemaOf((text) => {
  const path = SOCKET_URL.exec(text)?.[1];
  if (path === undefined || path.endsWith('/') || hasControlCharacter(path)) {
    return new Refusal(`${formatUntrusted(text)} is not unix:///<absolute path>`);
  }
  const bytes = utf8Bytes(path);
  if (bytes <= LONGEST_SOCKET_PATH_BYTES) return path;
  return new Refusal(`the path has ${bytes} bytes, a Unix socket's has at most ${LONGEST_SOCKET_PATH_BYTES}`);
});

/** CSI spec 1.12 and the name of the CSIDriver object in Kubernetes: a DNS subdomain, at most 63 characters. */
export const driverNameSchema = schemaOf((text) =>
  text.length <= LONGEST_DRIVER_NAME && isKubernetesSubdomain(text)
    ? text
    : new Refusal(
        `${formatUntrusted(text)} is no DNS name in small letters of at most ${LONGEST_DRIVER_NAME} characters`,
      ),
);

/** What a person may call a user or a namespace: not empty, no spaces, at most 255 characters. */
export const nameSchema = schemaOf((text) =>
  /^[^\s\p{Cc}]{1,255}$/u.test(text)
    ? text
    : new Refusal(text === '' ? 'is empty' : `${formatUntrusted(text)} has spaces in it, or more than 255 characters`),
);

/** `host:port`, `[IPv6]:port`; without a port Temporal's own. */
export const temporalAddressSchema = schemaOf((text) => {
  const address = splitAddress(text);
  if (address instanceof Refusal) return address;
  const { host, port = TEMPORAL_PORT } = address;
  if (port === 0) return new Refusal('the port is 0');
  const parsed = parseHost(host);
  if (parsed instanceof Refusal) return parsed;
  return parsed.includes(':') ? `[${parsed}]:${port}` : `${parsed}:${port}`;
});

/** `host:port`, `:port` for every address, port 0 for a free one; `off` or nothing: undefined. */
export const listenAddressSchema: z.ZodType<ListenAddress | undefined, string> = schemaOf(
  (text): ListenAddress | undefined | Refusal => {
    if (text === '' || text === 'off') return undefined;
    const address = splitAddress(text);
    if (address instanceof Refusal) return address;
    const { host, port } = address;
    if (port === undefined) return new Refusal(`${formatUntrusted(text)} has no port: <host>:<port>, :<port> or off`);
    if (host === '') return { host: undefined, port };
    const parsed = parseHost(host);
    return parsed instanceof Refusal ? parsed : { host: parsed, port };
  },
);

function splitAddress(text: string): { readonly host: string; readonly port: number | undefined } | Refusal {
  const [, host = '', digits] = HOST_AND_PORT.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && port > LARGEST_PORT) return new Refusal(`port ${digits} is above ${LARGEST_PORT}`);
  const bracketed = /^\[([^[\]]*)\]$/.exec(host)?.[1];
  if (bracketed === undefined && host.includes(':') && !isUrl(host)) {
    return new Refusal(`${formatUntrusted(text)} is not <host>:<port>; an IPv6 address stands in brackets`);
  }
  return { host: bracketed ?? host, port };
}

function parseHost(text: string): string | Refusal {
  if (isUrl(text)) return new Refusal('is a URL or has a user in it; the host alone belongs here');
  try {
    return parseHostAddress(text, 'host');
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return new Refusal(error.message.replace('host: ', ''));
  }
}

function isUrl(text: string): boolean {
  return text.includes('@') || text.includes('://');
}
