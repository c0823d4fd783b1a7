/** What the workload writes: blocks that are known again by their number. */
import { createHash } from 'node:crypto';

export const BLOCK_BYTES = 64 * 1024;

/** No two numbers have the same; a block that is half of one and half of another is neither. */
export function blockOf(seed, number) {
  return Buffer.alloc(BLOCK_BYTES, createHash('sha256').update(`${seed} ${number}`).digest());
}
