import { createHash, timingSafeEqual } from 'node:crypto';
import { type AuthContext, type ParsedKey, utils } from 'ssh2';

/** Who may log in. Without a password and without keys it is as on a new device: no password. */
export interface Credentials {
  readonly user: string;
  readonly password: string | undefined;
  /** Lines of an authorized_keys file. */
  readonly authorizedKeys: readonly string[];
}

function same(a: string | Buffer, b: string | Buffer): boolean {
  const hash = (value: string | Buffer) => createHash('sha256').update(value).digest();
  return timingSafeEqual(hash(a), hash(b));
}

/** Throws, naming the line, if one is not a public key. */
export function parseAuthorizedKeys(lines: readonly string[]): readonly ParsedKey[] {
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const key = utils.parseKey(line);
      if (key instanceof Error) throw new Error(`not a public key: ${line.slice(0, 40)}: ${key.message}`);
      return key;
    });
}

/** Answers an attempt to log in. */
export function decideLogin(context: AuthContext, { user, password }: Credentials, keys: readonly ParsedKey[]): void {
  const methods = keys.length > 0 ? (['publickey', 'password'] as const) : (['password'] as const);
  const expected = password ?? (keys.length > 0 ? undefined : '');
  if (context.method === 'password') {
    const right = expected !== undefined && same(context.username, user) && same(context.password, expected);
    return right ? context.accept() : context.reject([...methods]);
  }
  if (context.method === 'publickey' && same(context.username, user)) {
    const key = keys.find((each) => same(each.getPublicSSH(), context.key.data));
    const { signature, blob } = context;
    if (!key) return context.reject([...methods]);
    // without a signature the client only asks whether the key would do; verify() may also return an Error
    const verified: unknown = !signature || !blob || key.verify(blob, signature, context.hashAlgo);
    if (verified === true) return context.accept();
  }
  context.reject([...methods]);
}
