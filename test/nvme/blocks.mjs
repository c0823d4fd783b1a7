/** What the workload writes: blocks that are known again by their number. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

export const BLOCK_BYTES = 64 * 1024;

/** No two numbers have the same; a block that is half of one and half of another is neither. */
export function blockOf(seed, number) {
  return Buffer.alloc(BLOCK_BYTES, createHash('sha256').update(`${seed} ${number}`).digest());
}

/**
 * Reads the blocks from the disk; the numbers of those that are not there, whole, where they belong. `count` is how many were written,
 * round and round within `sizeBytes`: the last round is there.
 */
export async function findWrong({ file, seed, sizeBytes, count }) {
  const blocks = Math.floor(sizeBytes / BLOCK_BYTES);
  const handle = await open(file, constants.O_RDONLY | constants.O_DIRECT);
  const wrong = [];
  try {
    for (let number = Math.max(0, count - blocks); number < count; number += 1) {
      const place = (number % blocks) * BLOCK_BYTES;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, place);
      // One that was under way when the writer was killed may have replaced the oldest.
      const isUnderWay = number + blocks === count && buffer.equals(blockOf(seed, count));
      if (bytesRead !== BLOCK_BYTES || !(buffer.equals(blockOf(seed, number)) || isUnderWay)) wrong.push(number);
    }
  } finally {
    await handle.close();
  }
  return wrong;
}
