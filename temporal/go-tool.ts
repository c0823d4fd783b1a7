/**
 * Go programs that are built from source into a cache folder: <cache>/rds-csi/<name>-<version>/<name>. For machines that cannot
 * download a release. Node alone reads this file too (scripts/tools.mjs), so it imports nothing of the project.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A Go program at one version. */
export interface GoTool {
  readonly name: string;
  /** Without the leading `v`. */
  readonly version: string;
  /** Where its main package comes from: Go's module proxy, or a module of this project that pins what it is made of. */
  readonly source: PublishedSource | OwnSource;
  /** What a person is told to expect of a build from nothing. */
  readonly buildTime: string;
}

interface PublishedSource {
  readonly kind: 'published';
  /** Import path of the main package, at the tool's version. */
  readonly packagePath: string;
}

interface OwnSource {
  readonly kind: 'own';
  /** Absolute path of the module, whose main package is at its root. */
  readonly folder: string;
  /** What is set in the program as it is linked: `-X package.variable=value …`. */
  readonly linkerFlags: string;
}

/** The newest release of the CLI that Go's module proxy alone can build (Server 1.29). */
export const TEMPORAL_TOOL: GoTool = {
  name: 'temporal',
  version: '1.5.1',
  source: { kind: 'published', packagePath: 'github.com/temporalio/cli/cmd/temporal' },
  buildTime: '4 to 5 minutes',
};

/** The outside judge of a CSI driver; for tests. */
export const CSI_SANITY_TOOL: GoTool = {
  name: 'csi-sanity',
  version: '5.6.0',
  source: { kind: 'published', packagePath: 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity' },
  buildTime: '1 to 2 minutes',
};

export interface InstallOptions {
  readonly tool: GoTool;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A lock whose holder has not been heard of for so long is nobody's. */
const LOCK_STALE_AFTER_MS = 30_000;
const LOCK_TOUCH_INTERVAL_MS = 5_000;
const PROGRESS_INTERVAL_MS = 30_000;
/** How much of what `go` wrote is told when it fails. */
const OUTPUT_LIMIT_CHARACTERS = 4_000;

/** Where the tool is, or would be, as an absolute path. XDG_CACHE_HOME is respected. */
export function toolPathOf({ name, version }: GoTool, env: NodeJS.ProcessEnv): string {
  const cache = env.XDG_CACHE_HOME || path.join(env.HOME || homedir(), '.cache');
  return path.resolve(cache, 'rds-csi', `${name}-${version}`, name);
}

/** Whether the file is there and may be run. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** The path of a program on PATH; undefined if there is none. */
export async function findOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
    const file = path.resolve(folder, name);
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

/**
 * Builds the tool unless it is there; returns its path. Two processes do not build at once: the second waits for the first. The
 * program appears in one step. Throws an Error that tells why Go could not build it.
 */
export async function installGoTool(options: InstallOptions): Promise<string> {
  const file = toolPathOf(options.tool, options.env);
  const folder = path.dirname(file);
  await mkdir(path.dirname(folder), { recursive: true });
  const release = await lock(`${folder}.lock`, file, options);
  try {
    if (!(await isExecutable(file))) await build(file, options);
    return file;
  } finally {
    await release();
  }
}

async function build(file: string, { tool, env, log, signal }: InstallOptions): Promise<void> {
  const folder = path.dirname(file);
  // In the same file system as its place, so that the rename is one step.
  const draft = await mkdtemp(`${folder}.draft-`);
  const args = buildArgsOf(tool, draft);
  log(`building ${tool.name} ${tool.version} from source, once (${tool.buildTime}): go ${args.join(' ')}`);
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const progress = setInterval(() => log(`still building ${tool.name} (${seconds()} s)`), PROGRESS_INTERVAL_MS);
  try {
    await runGo(args, { env: { ...env, GOBIN: draft }, cwd: draft, signal });
    await mkdir(folder, { recursive: true });
    await rename(path.join(draft, tool.name), file);
    log(`built ${tool.name} ${tool.version} in ${seconds()} s`);
  } finally {
    clearInterval(progress);
    await rm(draft, { recursive: true, force: true });
  }
}

/** What `go` is told; what it makes lands in GOBIN or, for a module of ours, at the path that it is told. */
function buildArgsOf({ name, version, source }: GoTool, draft: string): readonly string[] {
  if (source.kind === 'published') return ['install', `${source.packagePath}@v${version}`];
  const { folder, linkerFlags } = source;
  return ['build', '-C', folder, '-ldflags', `-s -w ${linkerFlags}`, '-o', path.join(draft, name), '.'];
}

interface GoOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly signal: AbortSignal | undefined;
}

async function runGo(args: readonly string[], { env, cwd, signal }: GoOptions): Promise<void> {
  let output = '';
  const go = spawn('go', args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_LIMIT_CHARACTERS);
  };
  go.stdout.on('data', keep);
  go.stderr.on('data', keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    go.once('error', reject);
    go.once('close', resolve);
  });
  if (code !== 0) throw new Error(`go ${args.join(' ')} failed:\n${output.trim()}`);
}

/** Waits until the lock is ours, or the program is there and no lock is needed. Returns what lets it go. */
async function lock(
  lockFile: string,
  file: string,
  { tool, log, signal }: InstallOptions,
): Promise<() => Promise<void>> {
  for (let told = false; ; ) {
    if (await isExecutable(file)) return async () => {};
    if (await createFile(lockFile)) break;
    if ((await ageMsOf(lockFile)) > LOCK_STALE_AFTER_MS) {
      await rm(lockFile, { force: true });
      continue;
    }
    if (!told) log(`another process builds ${tool.name}: waiting for it`);
    told = true;
    await delay(500, undefined, signal && { signal });
  }
  const touch = setInterval(() => {
    const now = new Date();
    utimes(lockFile, now, now).catch(() => {});
  }, LOCK_TOUCH_INTERVAL_MS);
  return async () => {
    clearInterval(touch);
    await rm(lockFile, { force: true });
  };
}

/** False if it is there already. */
async function createFile(file: string): Promise<boolean> {
  try {
    await (await open(file, 'wx')).close();
    return true;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function ageMsOf(file: string): Promise<number> {
  try {
    return Date.now() - (await stat(file)).mtimeMs;
  } catch {
    return 0;
  }
}
