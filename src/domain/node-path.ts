import type { Brand } from './brand';
import { Fault } from './fault';
import { formatUntrusted, hasControlCharacter, utf8Bytes } from './text';

/** A path on a node, by its form below the kubelet's directory. Links in it are looked at where it is used. */
export type NodePath = Brand<string, 'NodePath'>;

/** Linux's PATH_MAX, without its final NUL; less what the driver appends to a path. */
const LONGEST_PATH_BYTES = 4_000;
const LONGEST_NAME_BYTES = 255;

/** An absolute path strictly below one of the `roots`, without `.`, `..` or empty segments. Throws InvalidArgument naming the field. */
export function parseNodePath(text: string, roots: readonly string[], field: string): NodePath {
  const refuse = (why: string): Fault => new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} ${why}`);
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (hasControlCharacter(text)) throw refuse('has control characters');
  if (!text.startsWith('/')) throw refuse('is not absolute');
  if (utf8Bytes(text) > LONGEST_PATH_BYTES) throw refuse(`has more than ${LONGEST_PATH_BYTES} bytes`);
  const path = text.endsWith('/') ? text.slice(0, -1) : text;
  const names = path.split('/').slice(1);
  if (names.some((name) => name === '' || name === '.' || name === '..')) {
    throw refuse('has a segment that is empty, . or ..');
  }
  if (names.some((name) => utf8Bytes(name) > LONGEST_NAME_BYTES)) {
    throw refuse(`has a segment of more than ${LONGEST_NAME_BYTES} bytes`);
  }
  const isBelow = (root: string) => path.startsWith(root.endsWith('/') ? root : `${root}/`);
  if (!roots.some(isBelow)) throw refuse(`is not below ${roots.join(' or ')}`);
  return path as NodePath;
}
