import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { CSI_SANITY_TOOL, toolPathOf } from '../../temporal/go-tool';

/**
 * What of csi-sanity needs no node: the tests that it marks as the controller's, and those of the Identity service (which it asks
 * at both endpoints). Its node tests, whose names begin with `Node Service`, are left out.
 */
export const CONTROLLER_PART = String.raw`\[Controller Server\]|Identity Service`;

export interface SanityOptions {
  /** Where Identity and Node are served, e.g. `unix:/run/node.sock`; a stand-in for the node is in sanity-node.ts. */
  readonly endpoint: string;
  readonly controllerEndpoint: string;
  /** Names of tests to run, and not to run, as regular expressions. All by default. */
  readonly focus?: string;
  readonly skip?: string;
  readonly accessType?: 'mount' | 'block';
  /** Where it stages and publishes; folders of its own by default. Their parents are made. */
  readonly mountDir?: string;
  readonly stagingDir?: string;
  /** StorageClass parameters of the volumes that it makes. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** 10 GiB by default, and 1 GiB more for the expanded one. */
  readonly volumeSizeBytes?: bigint;
  /** The whole run, in milliseconds; 10 minutes by default. */
  readonly timeLimitMs?: number;
}

export interface SanityResult {
  readonly passed: number;
  readonly failed: number;
  /** Chosen, but skipped by csi-sanity itself, because the driver does not declare what they need. */
  readonly skipped: number;
  /** Name and reason of each failed and of each skipped test. */
  readonly failures: readonly string[];
  readonly skips: readonly string[];
  readonly output: string;
}

/** csi-sanity is there already, or can be built: it comes as Go source alone. */
export const hasCsiSanity =
  existsSync(toolPathOf(CSI_SANITY_TOOL, process.env)) || spawnSync('go', ['version']).status === 0;

const REASON_LIMIT_CHARACTERS = 300;

/** The state of a test in ginkgo's JSON report; tests that were not chosen are `skipped` with no message. */
const Report = z.array(
  z.object({
    SpecReports: z.array(
      z.object({
        ContainerHierarchyTexts: z.array(z.string()).nullable(),
        LeafNodeType: z.string(),
        LeafNodeText: z.string(),
        State: z.string(),
        Failure: z.object({ Message: z.string().default('') }).optional(),
      }),
    ),
  }),
);
type Spec = z.infer<typeof Report>[number]['SpecReports'][number];

/** Runs csi-sanity, building it first where it is not in the cache (1 to 2 minutes; `npm run test:sanity` does so). Throws if it ends without a report. */
export async function runCsiSanity(options: SanityOptions): Promise<SanityResult> {
  const program = await getCsiSanity();
  const folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-sanity-'));
  try {
    const reportFile = path.join(folder, 'report.json');
    const args = await argumentsOf(options, folder, reportFile);
    const output = await run(program, args, options.timeLimitMs ?? 600_000);
    const text = await readFile(reportFile, 'utf8').catch(() => {
      throw new Error(`csi-sanity left no report:\n${output}`);
    });
    return resultOf(
      Report.parse(JSON.parse(text)).flatMap(({ SpecReports }) => SpecReports),
      output,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function getCsiSanity(): Promise<string> {
  const script = path.resolve(__dirname, '../../scripts/tools.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', script, 'csi-sanity']);
  return stdout.trim();
}

async function argumentsOf(options: SanityOptions, folder: string, reportFile: string): Promise<readonly string[]> {
  const args = [
    `--csi.endpoint=${options.endpoint}`,
    `--csi.controllerendpoint=${options.controllerEndpoint}`,
    `--csi.mountdir=${await folderFor(options.mountDir ?? path.join(folder, 'mount'))}`,
    `--csi.stagingdir=${await folderFor(options.stagingDir ?? path.join(folder, 'staging'))}`,
    `--csi.testvolumeaccesstype=${options.accessType ?? 'mount'}`,
    `--ginkgo.json-report=${reportFile}`,
    '--ginkgo.no-color',
  ];
  if (options.focus) args.push(`--ginkgo.focus=${options.focus}`);
  if (options.skip) args.push(`--ginkgo.skip=${options.skip}`);
  if (options.volumeSizeBytes !== undefined) {
    args.push(
      `--csi.testvolumesize=${options.volumeSizeBytes}`,
      `--csi.testvolumeexpandsize=${2n * options.volumeSizeBytes}`,
    );
  }
  if (options.parameters) {
    const file = path.join(folder, 'parameters.yaml');
    await writeFile(file, JSON.stringify(options.parameters));
    args.push(`--csi.testvolumeparameters=${file}`);
  }
  return args;
}

/** csi-sanity makes the folder itself, in a parent that is there. */
async function folderFor(place: string): Promise<string> {
  await mkdir(path.dirname(place), { recursive: true });
  return place;
}

/** What it printed. Its exit code tells nothing that the report does not. */
async function run(program: string, args: readonly string[], timeLimitMs: number): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeLimitMs,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return output;
}

function resultOf(specs: readonly Spec[], output: string): SanityResult {
  const passed = specs.filter(({ LeafNodeType, State }) => LeafNodeType === 'It' && State === 'passed');
  const skipped = specs.filter(({ State, Failure }) => State === 'skipped' && Failure?.Message);
  // Whatever else happened to a test or to the set-up around it (panicked, timedout, aborted …) is a failure.
  const failed = specs.filter(({ State }) => !['passed', 'skipped', 'pending'].includes(State));
  return {
    passed: passed.length,
    failed: failed.length,
    skipped: skipped.length,
    failures: failed.map(describeSpec),
    skips: skipped.map(describeSpec),
    output,
  };
}

function describeSpec({ ContainerHierarchyTexts, LeafNodeText, Failure }: Spec): string {
  const name = [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' › ');
  return `${name}: ${(Failure?.Message ?? 'no reason given').replaceAll(/\s+/g, ' ').slice(0, REASON_LIMIT_CHARACTERS)}`;
}
