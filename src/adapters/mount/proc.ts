import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../domain/fault';
import { type Mount, parseMountinfo } from '../../domain/mountinfo';

/** Most readings until two in a row agree. */
const MOST_READINGS = 10;

/**
 * This process's mounts, oldest first. Read until two readings agree: a long list comes in pieces, and what is mounted or
 * unmounted in between may hide another. Throws NodeToolFailed; NodeTimeout if it never comes to rest.
 */
export async function readMounts(procRoot: string): Promise<readonly Mount[]> {
  const file = join(procRoot, 'self', 'mountinfo');
  let last: string | undefined;
  for (let reading = 0; reading < MOST_READINGS; reading += 1) {
    const text = await readText(file);
    if (text === last) return parseMountinfo(text);
    last = text;
  }
  throw new Fault('NodeTimeout', `${file} changed each time that it was read, ${MOST_READINGS} times`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Fault('NodeToolFailed', `${file} cannot be read: ${messageOf(error)}`);
  }
}

/** Node's own errors are told by their message; `instanceof Error` does not hold across realms. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** `ENOENT`, … of a system call that failed; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
