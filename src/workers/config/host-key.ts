import { Refusal, schemaOf } from './schemas';

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;
const PUBLIC_KEY = /^([a-z0-9@.-]{1,64})[ \t]+([A-Za-z0-9+/]{32,}={0,2})(?:[ \t].*)?$/;
/** RFC 4253, 6.6: a public key begins with its type, behind four bytes that say how long it is. */
const LENGTH_BYTES = 4;

/**
 * `ssh-ed25519 AAAA…`, as in a public key's file (what follows is left out), or `SHA256:…`, as ssh-keygen -l prints it. What is
 * refused is not repeated: it may be a private key.
 */
export const hostKeySchema = schemaOf((given) => {
  const text = given.trim();
  if (FINGERPRINT.test(text)) return text.replace(/=$/, '');
  const [, type, base64] = PUBLIC_KEY.exec(text) ?? [];
  if (type === undefined || base64 === undefined)
    return new Refusal('is neither `<type> <base64>` nor `SHA256:<base64>`');
  const bytes = Buffer.from(base64, 'base64');
  const named = bytes.toString('latin1', LENGTH_BYTES, LENGTH_BYTES + bytes.readUInt32BE(0));
  return named === type ? `${type} ${base64}` : new Refusal(`is damaged: the key in it is not of type ${type}`);
});
