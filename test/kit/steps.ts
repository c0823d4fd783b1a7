import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cleanEnvironment } from '../../src/cli/embedded';
import { waitFor } from './driver';

/** Every program that a node runs, but the one that reads devices, which is Node itself. */
const TOOLS = [
  'blkid',
  'blockdev',
  'btrfs',
  'dumpe2fs',
  'losetup',
  'mkfs.btrfs',
  'mkfs.ext3',
  'mkfs.ext4',
  'mkfs.xfs',
  'mknod',
  'mount',
  'resize2fs',
  'stat',
  'umount',
  'xfs_growfs',
] as const;
/** Every call by which a node changes its own files. */
const CALLS = ['link', 'mkdir', 'rename', 'rm', 'rmdir', 'unlink'] as const;

export type Tool = (typeof TOOLS)[number];

/** One step of an operation on a node, and what becomes of it. */
export interface Step {
  /** A program that the node runs, or a call that changes its files. */
  readonly at: Tool | (typeof CALLS)[number];
  /**
   * `before`, `after`: it waits there, until it is let go or killed. `half`: mkfs.ext4 has written all but the superblock, and
   * waits. `fails`: it does nothing, and says so (exit code 1, ENOSPC). `lies`: it does nothing, and says that it has.
   */
  readonly act: 'before' | 'after' | 'half' | 'fails' | 'lies';
  /** In its arguments, or, for a device, in the path of the file behind it: a pattern with `*`. */
  readonly on: string;
}

export interface SetStep {
  /** Resolves when somebody waits there. */
  reached(): Promise<void>;
  /** Lets whoever waits there go on, and nobody wait there from now on. */
  release(): void;
  /** Nobody waits there any more: what waits is killed, as when its container goes. */
  kill(): void;
}

/**
 * Stops and fails the single steps of a node process that is started with `env`, from outside: its PATH has wrappers of all its
 * programs (step-tool.sh) and nothing else, and its file calls are watched by a module that is loaded before it (step-calls.ts).
 */
export interface Steps {
  readonly env: NodeJS.ProcessEnv;
  set(step: Step): SetStep;
  /** Not installed, until `bringBack`. */
  takeAway(tool: Tool): void;
  bringBack(tool: Tool): void;
  close(): void;
}

/** Makes nothing before it is used: tests that are left out leave nothing. */
export function createSteps(): Steps {
  let made: Folders | undefined;
  let count = 0;
  const folders = (): Folders => {
    made ??= makeFolders();
    return made;
  };
  return {
    get env() {
      const { bin, steps } = folders();
      const preload = pathToFileURL(path.join(__dirname, 'step-calls.ts')).href;
      const options = `--no-warnings --import ${preload}`;
      return { ...cleanEnvironment(), PATH: bin, NODE_OPTIONS: options, TEST_STEPS: steps };
    },
    set(step) {
      count += 1;
      return setStep(path.join(folders().steps, `${step.at}.${count}`), step);
    },
    takeAway: (tool) => renameSync(path.join(folders().bin, tool), path.join(folders().root, tool)),
    bringBack: (tool) => renameSync(path.join(folders().root, tool), path.join(folders().bin, tool)),
    close() {
      if (made) rmSync(made.root, { recursive: true, force: true });
    },
  };
}

interface Folders {
  readonly root: string;
  /** The node's PATH. */
  readonly bin: string;
  /** The steps that are set, a file each. */
  readonly steps: string;
}

function makeFolders(): Folders {
  const root = mkdtempSync(path.join(tmpdir(), 'rds-csi-steps-'));
  const [bin, steps] = [path.join(root, 'bin'), path.join(root, 'steps')];
  for (const folder of [bin, steps]) mkdirSync(folder);
  const wrapper = readFileSync(path.join(__dirname, 'step-tool.sh'), 'utf8');
  for (const tool of TOOLS) {
    writeFileSync(path.join(bin, tool), wrapper);
    chmodSync(path.join(bin, tool), 0o755);
  }
  writeFileSync(path.join(steps, 'path'), process.env['PATH'] ?? '');
  return { root, bin, steps };
}

function setStep(file: string, { at, act, on }: Step): SetStep {
  // In one step: wrappers read it at any moment.
  writeFileSync(`${path.dirname(file)}/draft`, `${act}\n${on}\n`);
  renameSync(`${path.dirname(file)}/draft`, file);
  const reachedFile = `${path.dirname(file)}/reached.${path.basename(file)}`;
  const end = (): void => rmSync(file, { force: true });
  return {
    reached: () =>
      waitFor(
        () => existsSync(reachedFile),
        () => `${at} of ${on} was not reached`,
      ),
    release: end,
    kill() {
      const waiting = existsSync(reachedFile) ? Number(readFileSync(reachedFile, 'utf8')) : 0;
      if (TOOLS.some((tool) => tool === at) && waiting > 0) killGroup(waiting);
      end();
    },
  };
}

/** The wrapper and what it runs: the node starts each program as a process group of its own. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
