import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SERVER = join(__dirname, 'hanging-fuse-server.ts');

/** A mount that never answers. */
export interface HangingMount {
  /** Ends its server: whoever waits gets an error from the kernel. The mount stays, until it is unmounted. */
  stop(): Promise<void>;
}

/** Mounts a file system that never answers at a directory, by a process that `stop` ends. Needs root and /dev/fuse. */
export async function startHangingMount(mountPoint: string): Promise<HangingMount> {
  const server = spawn(process.execPath, ['--no-warnings', SERVER, mountPoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  const first = await Promise.race([once(server.stdout, 'data'), ended.then(() => undefined)]);
  if (first === undefined) throw new Error('the hanging mount could not be made');
  return {
    async stop() {
      server.kill('SIGKILL');
      await ended;
    },
  };
}
