import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import { errorOf, type Node, waitFor } from '../kit/driver';
import { type createPodVolume, mountsOf } from '../kit/pod';

/** Everything here is the guest's own kernel: no other machine may run it. */
if (process.env.RDS_CSI_GUEST === undefined) throw new Error('these tests run in their guest alone: npm run test:nvme');

/** What tells the kubelet to ask again. */
const PASSING = new Set<number>([status.ABORTED, status.DEADLINE_EXCEEDED, status.UNAVAILABLE]);

const SECTOR_BYTES = 4_096;
/** Some tries of a step that takes half a minute to fail, on a busy machine. */
const ABORTED_LIMIT_MS = 240_000;

export type PodVolume = Awaited<ReturnType<typeof createPodVolume>>;

/** For docs/performance.md: no test asserts a time that a machine decides. */
export function report(what: string, ms: number): void {
  process.stderr.write(`measured: ${what}: ${(ms / 1_000).toFixed(1)} s\n`);
}

/** The same for each, all at once, since most of it is waiting. Returns what failed, when all have ended. */
export async function failuresOf<T>(
  each: readonly T[],
  nameOf: (one: T) => string,
  act: (one: T) => Promise<void>,
): Promise<readonly unknown[]> {
  const outcomes = await Promise.allSettled(each.map(act));
  return each.flatMap((one, index) => {
    const outcome = outcomes[index];
    return outcome?.status === 'rejected' ? [[nameOf(one), outcome.reason]] : [];
  });
}

/** Given back in the kubelet's order, deleted, and nothing of it left in any table of the kernel. */
export async function end(volume: PodVolume, node: Node): Promise<void> {
  await volume.end(node);
  expect(tracesInKernel(volume.volumeId)).toEqual([]);
}

/** What the kernel has of a volume: as a host, as a target, and mounted. */
export function tracesInKernel(volumeId: string): readonly string[] {
  const targets = entries('/sys/kernel/config/nvmet/subsystems').filter((file) => file.includes(volumeId));
  return [...hostTracesOf(volumeId), ...targets];
}

/** What the kernel has of a volume as a host, and mounted. */
export function hostTracesOf(volumeId: string): readonly string[] {
  const subsystems = entries('/sys/class/nvme-subsystem').filter((file) => nqnIn(file).includes(volumeId));
  const controllers = entries('/sys/class/nvme').filter((file) => nqnIn(file).includes(volumeId));
  return [...subsystems, ...controllers, ...mountsOf(volumeId)];
}

/** The controller that the kernel has for a volume, and its state now; undefined: none. */
export function stateOf(volumeId: string): string | undefined {
  const controller = entries('/sys/class/nvme').find((file) => nqnIn(file).includes(volumeId));
  return controller === undefined ? undefined : attribute(path.join(controller, 'state'));
}

/** The device that the kernel has for an NQN or a volume's ID in one; undefined: none. */
export function deviceOf(text: string): string | undefined {
  const subsystem = entries('/sys/class/nvme-subsystem').find((file) => nqnIn(file).includes(text));
  const name = subsystem === undefined ? undefined : entries(subsystem).find((file) => /\/nvme\d+n\d+$/.test(file));
  return name === undefined ? undefined : path.join('/dev', path.basename(name));
}

/** The names of the controllers that the kernel has for an NQN: another name is another session. */
export function controllersOf(text: string): readonly string[] {
  return entries('/sys/class/nvme')
    .filter((file) => nqnIn(file).includes(text))
    .map((file) => path.basename(file));
}

/** Repeats a call as the kubelet does: while an operation is under way it is told so, and asks again. */
export async function untilDone<T>(call: () => Promise<T>, limitMs = 600_000): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const reply = await call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ('value' in reply) return reply.value;
    const { error } = reply;
    const isPassing = typeof error === 'object' && error !== null && 'code' in error && PASSING.has(Number(error.code));
    if (!isPassing || Date.now() > deadline) throw error;
  }
}

/** The first bytes of a device, past this kernel's memory. */
export function readFirst(devicePath: string, length: number): string {
  const descriptor = openSync(devicePath, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const block = Buffer.alloc(SECTOR_BYTES);
    readSync(descriptor, block, 0, SECTOR_BYTES, 0);
    return block.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a text at the beginning of a device, to the disk. */
export function writeFirst(devicePath: string, text: string): void {
  const descriptor = openSync(devicePath, constants.O_RDWR | constants.O_DIRECT | constants.O_DSYNC);
  try {
    const block = Buffer.alloc(SECTOR_BYTES);
    block.write(text);
    writeSync(descriptor, block, 0, SECTOR_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
}

/** Repeats a call until it is told, in time, that the operation goes on and what it waits for. */
export async function untilAborted(call: () => Promise<unknown>, says: RegExp): Promise<string> {
  let told = 'nothing';
  await waitFor(
    async () => {
      const { code, details } = await errorOf(call());
      told = `${status[code]}: ${details}`;
      return code === status.ABORTED && says.test(details);
    },
    () => `${says} is never said, but ${told}`,
    ABORTED_LIMIT_MS,
  );
  return told;
}

/** NQNs that this kernel has as a host. */
export function connectedNqns(): readonly string[] {
  return entries('/sys/class/nvme-subsystem').map(nqnIn);
}

function nqnIn(folder: string): string {
  return attribute(path.join(folder, 'subsysnqn')) ?? '';
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [];
}

/** Undefined: it went while it was read. */
function attribute(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
