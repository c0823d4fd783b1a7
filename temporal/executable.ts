import { spawn } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { findOnPath, installGoTool, isExecutable, TEMPORAL_TOOL, toolPathOf } from './go-tool';

const DOWNLOAD_LIMIT_MS = 300_000;

/** Puts the release at `file`; returns why it could not, or undefined. */
export type Download = (file: string, signal: AbortSignal | undefined) => Promise<string | undefined>;

export interface ExecutableOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** The SDK's own by default. */
  readonly download?: Download;
}

/**
 * The Temporal CLI, whose development server is the embedded one: the one on PATH, else the cached one, else downloaded as the
 * SDK does it, else built with Go. Throws an Error that tells what was tried.
 */
export async function getTemporalExecutable(options: ExecutableOptions): Promise<string> {
  const { env, log, signal, download = downloadRelease } = options;
  const onPath = await findOnPath('temporal', env);
  if (onPath) return onPath;
  const cached = toolPathOf(TEMPORAL_TOOL, env);
  if (await isExecutable(cached)) return cached;

  log(`no temporal on PATH or at ${cached}: downloading release ${TEMPORAL_TOOL.version}`);
  const refusal = await download(cached, signal);
  if (refusal === undefined) return cached;
  signal?.throwIfAborted();
  log(`the download failed (${refusal})`);

  if (!(await findOnPath('go', env))) {
    throw new Error(
      `no Temporal server can be had: TEMPORAL_ADDRESS is not set, there is no temporal on PATH, its download failed ` +
        `(${refusal}), and there is no go on PATH to build it with`,
    );
  }
  return await installGoTool({ tool: TEMPORAL_TOOL, env, log, signal });
}

/**
 * The SDK's own way of getting a server: it downloads when it starts one. In a process of its own, because the SDK's native
 * runtime can be set up once in a process, and that is the driver's to do. Returns why it failed; undefined if it did not.
 */
async function downloadRelease(file: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true });
  const script = `
    const [testing, downloadDir, version] = process.argv.slice(1);
    const executable = { type: 'cached-download', downloadDir, version, ttl: '10000d' };
    require(testing).TestWorkflowEnvironment.createLocal({ server: { executable } }).then(
      (environment) => environment.teardown(),
      (error) => { process.exitCode = 1; process.stderr.write(error.message); },
    );`;
  const version = `v${TEMPORAL_TOOL.version}`;
  const args = ['-e', script, require.resolve('@temporalio/testing'), folder, version];
  const limit = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) =>
      resolve(limit.aborted ? `not done after ${DOWNLOAD_LIMIT_MS / 1000} s` : error.message),
    );
    child.once('close', (code) => resolve(code === 0 ? undefined : output.trim().split('\n').at(-1)));
  });
  if (failure !== undefined) return failure;
  await rename(path.join(folder, `temporal-${version}`), file);
  return (await isExecutable(file)) ? undefined : `${file} cannot be run`;
}
