import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { FileSystem } from '../domain/file-system';
import { type CsiNodeClient, createCsiNodeClient } from './csi-client';
import { type Program, startProgram } from './program';

const NODE_ID = 'node-a';
const READY_LIMIT_MS = 30_000;
const POLL_INTERVAL_MS = 25;
/** Linux's capabilities(7). */
const CAP_SYS_RESOURCE = 24n;

/** A node process on this machine: loop devices on the simulated RDS's own files. */
export interface EmbeddedNode {
  readonly nodeId: string;
  readonly pid: number;
  readonly csi: CsiNodeClient;
  readonly kubeletDir: string;
  /** One that this machine can make, mount and grow under a writer. */
  readonly fileSystem: FileSystem;
  readonly mayGrow: boolean;
  stop(): Promise<void>;
}

interface EmbeddedNodeOptions {
  readonly folder: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Why this machine cannot have a node, for a person; undefined: it can. */
export function findWhyNoNode(): string | undefined {
  if (process.platform !== 'linux') return 'mounting is shown on Linux alone';
  if (process.getuid?.() !== 0) return 'mounting needs root: run it as root to see it';
  if (!existsSync('/dev/loop-control')) return 'the kernel has no loop devices';
  const missing = ['losetup', 'mount', 'umount', 'blkid', 'mkfs.ext4'].filter((program) => !isInstalled(program));
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
}

/** Starts `rds-csi node`; resolves when it serves. */
export async function startEmbeddedNode(options: EmbeddedNodeOptions): Promise<EmbeddedNode> {
  const { folder, temporalAddress, temporalNamespace, env } = options;
  const kubeletDir = path.join(folder, 'kubelet');
  await mkdir(kubeletDir, { recursive: true });
  const socketPath = path.join(folder, 'node.sock');
  const configFile = path.join(folder, 'node.yaml');
  const config = {
    endpoint: `unix://${socketPath}`,
    nodeId: NODE_ID,
    connector: 'loop',
    loopBackingDir: path.join(folder, 'rds'),
    kubeletDir,
    temporalAddress,
    temporalNamespace,
    httpAddress: '',
  };
  await writeFile(configFile, stringify(config));
  const program = startProgram({ args: ['node', '--config', configFile], logFile: path.join(folder, 'node.log'), env });
  const csi = createCsiNodeClient(socketPath);
  await untilServing(csi, program, socketPath);
  const stop = async (): Promise<void> => {
    csi.close();
    await program.stop();
    // After a story that was broken off: its folder goes next, and nothing may be mounted in it then.
    releaseAllBelow(folder);
  };
  return { nodeId: NODE_ID, pid: program.pid, csi, kubeletDir, ...growable(), stop };
}

/** ext4 grows under a writer for those alone who have CAP_SYS_RESOURCE, which some machines withhold even from root. */
function growable(): Pick<EmbeddedNode, 'fileSystem' | 'mayGrow'> {
  const [, effective = '0'] = /CapEff:\s+([0-9a-f]+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  if ((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) return { fileSystem: 'ext4', mayGrow: true };
  return isInstalled('mkfs.xfs') ? { fileSystem: 'xfs', mayGrow: true } : { fileSystem: 'ext4', mayGrow: false };
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function untilServing(csi: CsiNodeClient, program: Program, socketPath: string): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let ended: number | string | undefined;
  void program.ended.then((how) => (ended = how));
  for (;;) {
    const serving =
      existsSync(socketPath) &&
      (await csi.probe({}, 2_000).then(
        () => true,
        () => false,
      ));
    if (serving) return;
    if (ended !== undefined) throw new Error(`the node ended (${ended}) before it served`);
    if (performance.now() > deadline) throw new Error(`the node does not serve after ${READY_LIMIT_MS / 1_000} s`);
    await delay(POLL_INTERVAL_MS);
  }
}

/** Unmounts everything below a folder, and detaches the loop devices on files in it. */
export function releaseAllBelow(folder: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  for (const place of mounts.filter((mounted) => mounted.startsWith(`${folder}/`)).reverse())
    spawnSync('umount', [place]);
  const loops =
    spawnSync('losetup', ['--noheadings', '--raw', '--output', 'NAME,BACK-FILE'], { encoding: 'utf8' }).stdout ?? '';
  for (const line of loops.split('\n')) {
    const [name, file] = line.split(' ');
    if (name && file?.startsWith(`${folder}/`)) spawnSync('losetup', ['--detach', name]);
  }
}
