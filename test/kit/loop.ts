import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, jest } from '@jest/globals';
import { parseMountinfo } from '../../src/domain/mountinfo';

// Programs and disks: as quick as the machine is, beside all that else it does.
jest.setTimeout(60_000);

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
if (!isRoot) process.stderr.write('node tests are skipped: they need Linux and root\n');

/** For tests that need Linux and root; elsewhere they are skipped, and a line says so. */
export const describeAsRoot = isRoot ? describe : describe.skip;

/** The tools that are not on this machine. */
function missingTools(...tools: readonly string[]): readonly string[] {
  return tools.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined);
}

/** `it` where the tools are on this machine; else tests are skipped, and a line says why. */
export function itWith(...tools: readonly string[]): typeof it | typeof it.skip {
  const missing = missingTools(...tools);
  if (missing.length === 0) return it;
  process.stderr.write(`tests are skipped: ${missing.join(', ')} not installed\n`);
  return it.skip;
}

/** Whether this process has a capability of the kernel, by its number (capabilities(7)); containers and sandboxes may lack some. */
export function hasCapability(number: number): boolean {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & (1n << BigInt(number))) !== 0n;
}

/** A block device over a sparse file. */
export interface Loop {
  readonly path: string;
  readonly file: string;
  /** Grows the file, and tells the device. */
  grow(sizeBytes: number): void;
  detach(): void;
}

/** Files, devices and mounts of a test, in a folder of its own; all gone after `clean`, in the order that lets them go. */
export interface NodeLab {
  readonly folder: string;
  /** A place in the folder that is made as a directory. */
  directory(name: string): string;
  loop(sizeBytes: number): Loop;
  /** A device over a file that is there; options are those of losetup(8). */
  attach(file: string, ...options: readonly string[]): Loop;
  clean(): void;
}

export function createNodeLab(): NodeLab {
  const folder = mkdtempSync(join(tmpdir(), 'rds-csi-node-'));
  const loops = new Set<Loop>();
  let files = 0;
  const attach = (file: string, ...options: readonly string[]): Loop => {
    const path = run('losetup', '--find', '--show', ...options, file).trim();
    const loop: Loop = {
      path,
      file,
      grow(sizeBytes) {
        truncateSync(file, sizeBytes);
        run('losetup', '--set-capacity', path);
      },
      detach() {
        run('losetup', '--detach', path);
        // From now on the device may be somebody else's.
        loops.delete(loop);
      },
    };
    loops.add(loop);
    return loop;
  };
  return {
    folder,
    attach,
    directory(name) {
      const path = join(folder, name);
      mkdirSync(path, { recursive: true });
      return path;
    },
    loop(sizeBytes) {
      files += 1;
      const file = join(folder, `device-${files}.img`);
      writeFileSync(file, '');
      truncateSync(file, sizeBytes);
      return attach(file);
    },
    clean() {
      unmountBelow(folder);
      for (const { path } of loops) spawnSync('losetup', ['--detach', path], { stdio: 'ignore' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Newest first; a mount that is still there afterwards makes the clean-up fail before anything is deleted. */
function unmountBelow(folder: string): void {
  const mountsBelow = () =>
    parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter(({ mountPoint }) =>
      mountPoint.startsWith(`${folder}/`),
    );
  for (const { mountPoint } of [...mountsBelow()].reverse()) {
    spawnSync('umount', ['-i', '--no-canonicalize', '--', mountPoint], {
      stdio: 'ignore',
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
  }
  const left = mountsBelow().map(({ mountPoint }) => mountPoint);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
}

function run(file: string, ...args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
