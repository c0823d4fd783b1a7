import { extname, join } from 'node:path';
import { z } from 'zod';
import { Fault } from '../../domain/fault';
import type { ProcessPort } from '../process/port';
import type { DeviceUsersPort } from './port';

/** Beside this file, with its ending: TypeScript from the sources, JavaScript from dist. */
const SCANNER = join(__dirname, `device-scan${extname(__filename)}`);
/** A node of a thousand threads is looked through in a second or two. */
const SCAN_LIMIT_MS = 10_000;
const MOST_ERROR_CHARACTERS = 300;

const schema = z.object({ users: z.record(z.string(), z.array(z.string())), unknown: z.array(z.string()) });

interface DeviceUsersOptions {
  readonly processes: ProcessPort;
  readonly kubeletDir: string;
  /** Where procfs and sysfs are mounted. */
  readonly procRoot?: string;
  readonly sysRoot?: string;
}

/**
 * Looks by a program of its own (device-scan.ts): to know what a process has open, the file itself must be asked, and one on a mount that
 * never answers would take a thread of this process for ever. There it takes one program, and what was asked is not known.
 */
export function createDeviceUsers({
  processes,
  kubeletDir,
  procRoot = '/proc',
  sysRoot = '/sys',
}: DeviceUsersOptions): DeviceUsersPort {
  return {
    async find(devices) {
      if (devices.length === 0) return [];
      const names = devices.map(({ major, minor }) => `${major}:${minor}`);
      const result = await processes.run({
        file: process.execPath,
        args: ['--no-warnings', SCANNER, 'scan', sysRoot, procRoot, kubeletDir, ...names],
        limitMs: SCAN_LIMIT_MS,
        lane: 'looking for who has which device',
      });
      const words = result.stderr.trim().slice(-MOST_ERROR_CHARACTERS);
      if (result.exitCode !== 0)
        throw new Fault('NodeToolFailed', `device-scan: exit code ${result.exitCode}: ${words}`);
      return parseScan(result.stdout, names);
    },
  };
}

/** Our own words, and checked all the same: no device is unused because something is missing in them. */
function parseScan(text: string, names: readonly string[]): Awaited<ReturnType<DeviceUsersPort['find']>> {
  const scan = schema.safeParse(parseJson(text));
  if (!scan.success) throw new Fault('NodeToolFailed', 'device-scan: its answer cannot be read');
  return names.map((name) => {
    const users = scan.data.users[name];
    if (!users) throw new Fault('NodeToolFailed', `device-scan: it says nothing of ${name}`);
    return { users, unknown: scan.data.unknown };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
