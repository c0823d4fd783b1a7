import { extname, join } from 'node:path';
import {
  type DeviceContent,
  type DeviceReading,
  judgeContent,
  parseBlkid,
  placesToRead,
} from '../../domain/device-content';
import { Fault } from '../../domain/fault';
import type { CommandResult, ProcessLanesPort } from '../process/port';
import { createTurns } from '../turns';

/** Beside this file, with its ending: TypeScript from the sources, JavaScript from dist. */
const READER = join(__dirname, `device-reader${extname(__filename)}`);
const READ_LIMIT_MS = 60_000;
const QUICK_LIMIT_MS = 20_000;
const EXIT_BUSY = 16;
/** A reader is a Node process of 46 MiB: so many at a time, however many volumes are staged at once. */
const MOST_READERS = 2;
/** Longest that one waits for its turn: for longer than a reader may hang on a dead device, so that no place in line is lost to it. */
const LONGEST_WAIT_MS = READ_LIMIT_MS + 15_000;
const MOST_ERROR_CHARACTERS = 300;

/** Looks at devices, by programs of their own: what hangs on one hangs nobody else. */
export interface DeviceContents {
  /** What is on the device, by blkid and by our own reading. Throws NodeToolFailed if it cannot be read. */
  inspect(device: { readonly devicePath: string; readonly sizeBytes: number }): Promise<DeviceContent>;
  /** Whether somebody has the device for himself alone: a mount, a mkfs, an unmount under way. */
  isHeld(devicePath: string): Promise<boolean>;
}

interface DeviceContentsOptions {
  readonly processes: ProcessLanesPort;
  readonly longestWaitMs?: number;
}

/** All who ask of one of these take turns at the device reader; one that runs into its time limit has had its turn. */
export function createDeviceContents({
  processes,
  longestWaitMs = LONGEST_WAIT_MS,
}: DeviceContentsOptions): DeviceContents {
  const turns = createTurns(MOST_READERS);
  const runReader: RunReader = async ({ args, devicePath, limitMs }) => {
    const lane = laneOf(devicePath);
    // A device that is known to hang shall not wait in line only to be told so.
    processes.requireFree(lane);
    const giveBack = await turns.take(AbortSignal.timeout(longestWaitMs)).catch(() => {
      const seconds = longestWaitMs / 1_000;
      throw new Fault(
        'NodeTimeout',
        `${devicePath}: not looked at, ${MOST_READERS} other devices were being looked at for ${seconds} s`,
      );
    });
    try {
      const all = ['--no-warnings', READER, ...args];
      return await processes.run({ file: process.execPath, args: all, limitMs, lane });
    } finally {
      giveBack();
    }
  };
  return {
    inspect: (device) => inspectDevice({ processes, runReader }, device),
    isHeld: (devicePath) => isDeviceHeld(runReader, devicePath),
  };
}

type RunReader = (look: {
  readonly args: readonly string[];
  readonly devicePath: string;
  readonly limitMs: number;
}) => Promise<CommandResult>;

async function inspectDevice(
  { processes, runReader }: { readonly processes: ProcessLanesPort; readonly runReader: RunReader },
  { devicePath, sizeBytes }: { readonly devicePath: string; readonly sizeBytes: number },
): Promise<DeviceContent> {
  if (sizeBytes <= 0) throw new Fault('NodeToolFailed', `${devicePath} has no size`);
  const lane = laneOf(devicePath);
  // What this node remembers of an earlier device, or of an earlier content, counts for nothing.
  const flushed = await processes.run({
    file: 'blockdev',
    args: ['--flushbufs', devicePath],
    limitMs: QUICK_LIMIT_MS,
    lane,
  });
  if (flushed.exitCode !== 0) throw failed(devicePath, 'blockdev --flushbufs', flushed);
  const reading = await readDevice(runReader, { devicePath, sizeBytes });
  // After our own reading: blkid says "nothing" also of a device that it cannot read.
  const result = await processes.run({
    file: 'blkid',
    args: ['-p', '-o', 'export', '--', devicePath],
    limitMs: QUICK_LIMIT_MS,
    lane,
  });
  return judgeContent({ blkid: parseBlkid(result), reading });
}

async function isDeviceHeld(runReader: RunReader, devicePath: string): Promise<boolean> {
  const result = await runReader({ args: ['exclusive', devicePath], devicePath, limitMs: QUICK_LIMIT_MS });
  if (result.exitCode === EXIT_BUSY) return true;
  if (result.exitCode !== 0) throw failed(devicePath, 'opening it', result);
  return false;
}

/** Whatever touches a device does so in this lane. */
export function laneOf(devicePath: string): string {
  return `the device ${devicePath}`;
}

async function readDevice(
  runReader: RunReader,
  { devicePath, sizeBytes }: { readonly devicePath: string; readonly sizeBytes: number },
): Promise<DeviceReading> {
  const places = placesToRead(sizeBytes).map(({ offset, length }) => `${offset}:${length}`);
  const result = await runReader({ args: ['read', devicePath, ...places], devicePath, limitMs: READ_LIMIT_MS });
  if (result.exitCode !== 0) throw failed(devicePath, 'it cannot be read: the reader', result);
  return parseReading(result.stdout, devicePath);
}

/** What device-reader prints: our own words, and checked all the same, since a device is formatted by them. */
function parseReading(text: string, devicePath: string): DeviceReading {
  const refuse = () => new Fault('NodeToolFailed', `${devicePath}: the reader's answer cannot be read`);
  const parsed: unknown = parseJson(text);
  if (!isObject(parsed) || typeof parsed['headHex'] !== 'string') throw refuse();
  const data = parsed['data'];
  if (data === undefined) return { headHex: parsed['headHex'], data: undefined };
  if (!isObject(data) || typeof data['offset'] !== 'number' || typeof data['hex'] !== 'string') throw refuse();
  return { headHex: parsed['headHex'], data: { offset: data['offset'], hex: data['hex'] } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function failed(devicePath: string, what: string, { exitCode, stderr }: CommandResult): Fault {
  const line = /^(?:Error: .*|.*Error: .*)$/m.exec(stderr)?.[0] ?? stderr.trim();
  return new Fault(
    'NodeToolFailed',
    `${devicePath}: ${what} ended with exit code ${exitCode}: ${line.slice(0, MOST_ERROR_CHARACTERS)}`,
  );
}
