import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import type { Command, CommandResult, ProcessLanesPort } from '../process/port';
import { createDeviceContents } from './device-content';

interface Reader {
  readonly devicePath: string;
  end(exitCode: number): void;
  fail(fault: Fault): void;
}

/** Readers that were started, in that order; they end when the test says so. */
let readers: Reader[];
let hanging: string | undefined;

const processes: ProcessLanesPort = {
  requireFree(lane) {
    if (lane === hanging) throw new Fault('NodeTimeout', `something still hangs in the kernel: ${lane}`);
  },
  run({ args }: Command) {
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    const devicePath = args.at(-1) ?? '';
    readers.push({ devicePath, end: (exitCode) => resolve({ exitCode, stdout: '', stderr: '' }), fail: reject });
    return promise;
  },
};

const started = () => readers.map(({ devicePath }) => devicePath);
const messageOf = (look: Promise<unknown>): Promise<string> =>
  look.then(
    () => 'no fault',
    (error: unknown) => (error instanceof Fault ? `${error.kind} ${error.message}` : String(error)),
  );

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

beforeEach(() => {
  readers = [];
  hanging = undefined;
});

describe('looks at devices', () => {
  it('are two at a time, first come, first served', async () => {
    const contents = createDeviceContents({ processes });
    const devices = ['/dev/a', '/dev/b', '/dev/c', '/dev/d'];
    const looks = Promise.all(devices.map((devicePath) => contents.isHeld(devicePath)));
    await until(() => readers.length === 2);
    await new Promise(setImmediate);
    expect(started()).toEqual(['/dev/a', '/dev/b']);
    readers[1]?.end(16);
    await until(() => readers.length === 3);
    await new Promise(setImmediate);
    expect(started()).toEqual(['/dev/a', '/dev/b', '/dev/c']);
    readers[0]?.end(0);
    await until(() => readers.length === 4);
    for (const reader of readers) reader.end(0);
    expect(await looks).toEqual([false, true, false, false]);
    expect(started()).toEqual(devices);
  });

  it('that ran into their time limit have had their turn', async () => {
    const contents = createDeviceContents({ processes });
    const dead = [messageOf(contents.isHeld('/dev/a')), messageOf(contents.isHeld('/dev/b'))];
    const next = contents.isHeld('/dev/c');
    await until(() => readers.length === 2);
    for (const reader of readers) reader.fail(new Fault('NodeTimeout', 'node did not end within 20 s'));
    await until(() => readers.length === 3);
    readers[2]?.end(0);
    expect(await next).toBe(false);
    expect(await Promise.all(dead)).toEqual(Array(2).fill('NodeTimeout node did not end within 20 s'));
  });

  it('that wait too long say so, start nothing, and leave their place to others', async () => {
    const contents = createDeviceContents({ processes, longestWaitMs: 50 });
    const first = [contents.isHeld('/dev/a'), contents.isHeld('/dev/b')];
    expect(await messageOf(contents.isHeld('/dev/c'))).toBe(
      'NodeTimeout /dev/c: not looked at, 2 other devices were being looked at for 0.05 s',
    );
    readers[0]?.end(0);
    readers[1]?.end(0);
    await Promise.all(first);
    const last = contents.isHeld('/dev/d');
    await until(() => readers.length === 3);
    readers[2]?.end(0);
    await last;
    expect(started()).toEqual(['/dev/a', '/dev/b', '/dev/d']);
  });

  it('at one that hangs in the kernel wait for no turn', async () => {
    const contents = createDeviceContents({ processes });
    const others = [contents.isHeld('/dev/a'), contents.isHeld('/dev/b')];
    hanging = 'the device /dev/c';
    expect(await messageOf(contents.isHeld('/dev/c'))).toContain('still hangs in the kernel');
    readers[0]?.end(0);
    readers[1]?.end(0);
    await Promise.all(others);
  });
});
