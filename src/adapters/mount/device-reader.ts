/**
 * A program of its own, run by file-systems.ts in another process: whatever hangs here hangs nobody else. It imports nothing of
 * the project, so that Node runs it as it stands, from the sources too.
 *
 *   device-reader read <device> <offset>:<length>…   prints what it has found as JSON; stops at the first data that is not zero
 *   device-reader exclusive <device>                 exit code 16 (EBUSY) if somebody holds the device
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';

const HEAD_BYTES = 512;
const CHUNK_BYTES = 1024 * 1024;
const SHOWN_BYTES = 16;
const EXIT_BUSY = 16;

const [mode, devicePath = '', ...places] = process.argv.slice(2);
if (mode === 'exclusive') openExclusively();
else process.stdout.write(JSON.stringify(read()));

function openExclusively(): void {
  try {
    closeSync(openSync(devicePath, constants.O_RDONLY | constants.O_EXCL));
  } catch (error) {
    const isBusy = error instanceof Error && 'code' in error && error.code === 'EBUSY';
    if (!isBusy) throw error;
    process.exitCode = EXIT_BUSY;
  }
}

function read(): object {
  const device = openSync(devicePath, constants.O_RDONLY);
  const head = Buffer.alloc(HEAD_BYTES);
  readWhole(device, head, 0);
  const headHex = head.toString('hex');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (const place of places) {
    const [offset = Number.NaN, length = Number.NaN] = place.split(':').map(Number);
    for (let done = 0; done < length; done += CHUNK_BYTES) {
      const part = chunk.subarray(0, Math.min(CHUNK_BYTES, length - done));
      readWhole(device, part, offset + done);
      if (part.equals(zeros.subarray(0, part.length))) continue;
      const first = part.findIndex((byte) => byte !== 0);
      return {
        headHex,
        data: { offset: offset + done + first, hex: part.toString('hex', first, first + SHOWN_BYTES) },
      };
    }
  }
  return { headHex };
}

/** A device that ends early cannot be judged: an error, as a read that fails is. */
function readWhole(device: number, into: Buffer, offset: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readAt(device, into.subarray(done), offset + done);
    if (count === 0) throw new Error(`it ends at offset ${offset + done}`);
    done += count;
  }
}

function readAt(device: number, into: Buffer, offset: number): number {
  try {
    return readSync(device, into, 0, into.length, offset);
  } catch (error) {
    throw new Error(`at offset ${offset}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
