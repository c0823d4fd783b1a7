/**
 * A workload: `workload.mjs FILE SIZE_BYTES SEED PAUSE_MS` writes blocks over a file or device, round and round, each on the disk before the
 * next one. A line on standard output for each: its number and how many milliseconds it took. Ends when standard input ends.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { BLOCK_BYTES, blockOf } from './blocks.mjs';

const [file, sizeBytes, seed, pauseMs] = process.argv.slice(2);
const blocks = Math.floor(Number(sizeBytes) / BLOCK_BYTES);
let ended = false;
process.stdin.on('end', () => (ended = true)).resume();

// Past this kernel's memory, and acknowledged by the RDS: what is said to be written has been written.
const handle = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT | constants.O_DSYNC, 0o600);

function writeNext(number) {
  if (ended) {
    closeSync(handle);
    return;
  }
  const startedAt = performance.now();
  const written = writeSync(handle, blockOf(seed, number), 0, BLOCK_BYTES, (number % blocks) * BLOCK_BYTES);
  if (written !== BLOCK_BYTES) throw new Error(`block ${number}: ${written} bytes were written`);
  process.stdout.write(`${number} ${Math.ceil(performance.now() - startedAt)}\n`);
  setTimeout(writeNext, Number(pauseMs), number + 1);
}

writeNext(0);
