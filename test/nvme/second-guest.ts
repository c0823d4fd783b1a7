import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { createCsiNodeClient } from '../../src/cli/csi-client';
import { type Driver, type Node, waitFor } from '../kit/driver';
import type { PodVolume } from './kit';
import type { Running, Start, Written } from './writer';

/** Its job's folder as this guest sees it, and as it does itself. */
const JOB_HERE = '/run/job/second';
const JOB_THERE = '/run/job';
const KUBELET_DIR = '/run/scratch/kubelet';
const MAIN = path.resolve(__dirname, '../../dist/src/cli/main.js');
/** It boots beside this one, and is long there when it is asked for something. */
const BOOT_LIMIT_MS = 120_000;
const START_LIMIT_MS = 150_000;

/** Where the simulated RDS exports for both guests: the first one's end of the link. */
export const LINK_ADDRESS = process.env.RDS_CSI_GUEST_LINK ?? '';
const [SECOND_ADDRESS = '', AGENT_PORT = ''] = (process.env.RDS_CSI_SECOND_GUEST ?? '').split(':');

/** The second guest: a machine with a kernel of its own, at the other end of a link (guest/agent.mjs). */
export interface SecondGuest {
  readonly address: string;
  readonly start: Start;
  /** What a program says. Throws if it fails. */
  run(file: string, ...args: readonly string[]): Promise<string>;
  /** What its kernel has of a volume: as a host, and mounted. */
  traces(volumeId: string): Promise<readonly string[]>;
  /** The states of the sessions that its kernel has for a volume. */
  statesOf(volumeId: string): Promise<readonly string[]>;
  /** The numbers of blocks that are not on the disk as it sees it. */
  findWrong(written: Written): Promise<readonly number[]>;
}

/** Throws with its console's words if it has not booted. */
export async function getSecondGuest(): Promise<SecondGuest> {
  const answers = async () => (await start('true', []).ended) === 0;
  const words = () => `the second guest does not answer; its console:\n${consoleOf()}`;
  const hasEnded = () => /^QEMU ended/m.test(consoleOf());
  await waitFor(async () => hasEnded() || (await answers()), words, BOOT_LIMIT_MS);
  if (hasEnded()) throw new Error(words());
  const run = async (file: string, ...args: readonly string[]): Promise<string> => {
    const running = start(file, args);
    const ended = await running.ended;
    if (ended === 0) return running.lines.join('\n');
    throw new Error(`${file} ${args.join(' ')} ended with ${ended} in the second guest: ${running.words()}`);
  };
  const linesOf = async (script: string): Promise<readonly string[]> => {
    return (await run('sh', '-c', script)).split('\n').filter((line) => line !== '');
  };
  return {
    address: SECOND_ADDRESS,
    start,
    run,
    traces: (volumeId) =>
      linesOf(`grep -sH ${volumeId} /sys/class/nvme*/*/subsysnqn; grep ${volumeId} /proc/self/mountinfo; true`),
    statesOf: (volumeId) =>
      linesOf(
        `for f in $(grep -sl ${volumeId} /sys/class/nvme/*/subsysnqn); do cat \${f%/*}/state 2>/dev/null; done; true`,
      ),
    async findWrong(written) {
      const program = path.join(__dirname, 'find-wrong.mjs');
      return JSON.parse(await run(process.execPath, program, JSON.stringify(written))) as number[];
    },
  };
}

/** A program in the second guest. A connection that breaks ends it with `lost`. */
function start(file: string, args: readonly string[]): Running {
  const client = connect(Number(AGENT_PORT), SECOND_ADDRESS);
  const send = (message: unknown) => client.write(`${JSON.stringify(message)}\n`);
  const lines: string[] = [];
  const words: string[] = [];
  let over: number | string | undefined;
  const ended = new Promise<number | string>((resolve) => {
    const end = (how: number | string): void => {
      over ??= how;
      resolve(over);
    };
    client.once('error', (error) => words.push(error.message));
    client.once('close', () => end('lost'));
    createInterface({ input: client })
      // The readline passes its input's errors on.
      .on('error', () => undefined)
      .on('line', (line) => {
        const said = JSON.parse(line) as { out?: string; err?: string; ended?: number | string };
        if (said.out !== undefined) lines.push(said.out);
        if (said.err !== undefined) words.push(said.err);
        if (said.ended !== undefined) {
          end(said.ended);
          client.end();
        }
      });
  });
  send({ run: [file, ...args] });
  return {
    lines,
    words: () => words.join('\n'),
    isOver: () => over !== undefined,
    ended,
    endInput: () => send({ endInput: true }),
    signal: (signal) => send({ signal }),
  };
}

function consoleOf(): string {
  return readFileSync(path.join(JOB_HERE, 'console'), 'utf8').slice(-4_000);
}

/** A node process in the second guest, and a kubelet of it. */
export interface FarNode {
  readonly node: Pick<Node, 'csi' | 'kubeletDir' | 'log'>;
  /** SIGKILL, and nothing after it. */
  kill(): Promise<void>;
}

interface FarNodeOptions {
  readonly guest: SecondGuest;
  readonly nodeId: string;
  readonly temporal: Driver['temporal'];
}

/** Starts it as the kit starts those of this machine; its socket is brought here. */
export async function startFarNode({ guest, nodeId, temporal }: FarNodeOptions): Promise<FarNode> {
  const fields = {
    endpoint: `unix://${KUBELET_DIR}/csi.sock`,
    nodeId,
    kubeletDir: KUBELET_DIR,
    temporalAddress: temporal.address,
    temporalNamespace: temporal.namespace,
    httpAddress: '',
    logLevel: 'debug',
  };
  await guest.run('mkdir', '-p', KUBELET_DIR);
  await writeFile(path.join(JOB_HERE, 'node.yaml'), stringify(fields));
  const program = guest.start(process.execPath, [MAIN, 'node', '--config', `${JOB_THERE}/node.yaml`]);
  const log = async () => [...program.lines, program.words()].join('\n');
  const socketPath = path.join(await mkdtemp(path.join(tmpdir(), 'far-')), 'csi.sock');
  const proxy = await bringSocket(`${KUBELET_DIR}/csi.sock`, socketPath);
  const csi = createCsiNodeClient(socketPath);
  await waitFor(
    async () => program.isOver() || (await csi.probe({}, 2_000)).ready === true,
    async () => `the node in the second guest does not serve:\n${await log()}`,
    START_LIMIT_MS,
  );
  if (program.isOver()) throw new Error(`the node in the second guest ended:\n${await log()}`);
  return {
    node: { csi, kubeletDir: KUBELET_DIR, log },
    async kill() {
      program.signal('SIGKILL');
      await program.ended;
      csi.close();
      proxy.close();
    },
  };
}

/** A Unix socket here that is the one there. */
async function bringSocket(there: string, here: string) {
  const server = createServer((client) => {
    const far = connect(Number(AGENT_PORT), SECOND_ADDRESS);
    for (const [one, other] of [
      [client, far],
      [far, client],
    ] as const) {
      one.once('error', () => other.destroy());
      one.once('close', () => other.destroy());
    }
    far.write(`${JSON.stringify({ socket: there })}\n`);
    client.pipe(far).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(here, () => resolve()));
  return server;
}

/** The requests of a pod in the second guest; the folders that the kubelet makes are there. */
export async function podThere(guest: SecondGuest, volume: PodVolume, { node }: FarNode) {
  const pod = volume.on(node);
  await guest.run('mkdir', '-p', pod.stagingTargetPath, path.dirname(pod.targetPath));
  return pod;
}
