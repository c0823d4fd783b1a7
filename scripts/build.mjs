/**
 * Builds dist/: the program (tsc), its assets, and the workflow bundle, which workers load instead of bundling by themselves
 * (webpack and swc are then never loaded). A part whose sources are what they were is left alone. `--force` builds all.
 *
 *   dist/src, dist/temporal   CommonJS with source maps
 *   dist/workflow-bundle.js   src/workflows with its interceptors
 *   dist/build.json           what each part was built from, as a hash
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const stampFile = path.join(dist, 'build.json');
const bundleFile = path.join(dist, 'workflow-bundle.js');
/** Files beside the sources that the program reads at run time. */
const ASSET = /\.(binpb|json)$/;
const SOURCE = /(?<!\.test)\.ts$/;
const everyBuild = ['package-lock.json', 'scripts/build.mjs'];

/** Files below a folder of the project that match, relative to the project, in order. */
function filesOf(folder, pattern) {
  const absolute = path.join(root, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

/** Puts a file in place in one step: a process that runs from dist never reads half of it. Unchanged files stay. */
function place(file, content) {
  if (existsSync(file) && readFileSync(file).equals(content)) return;
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, file);
}

async function buildProgram() {
  // Beside dist, at the same depth: source maps hold relative paths.
  const draft = path.join(root, `.build-${process.pid}`);
  try {
    const tsc = path.join(root, 'node_modules', '.bin', 'tsc');
    const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json', '--outDir', draft], {
      cwd: root,
      stdio: 'inherit',
    });
    const made = filesOf(path.basename(draft), /./).map((file) => path.relative(path.basename(draft), file));
    for (const file of made) place(path.join(dist, file), readFileSync(path.join(draft, file)));
    const assets = [...filesOf('src', ASSET), ...filesOf('temporal', ASSET)];
    for (const file of assets) place(path.join(dist, file), readFileSync(path.join(root, file)));
    const expected = new Set([...made, ...assets]);
    const present = [...filesOf('dist/src', /./), ...filesOf('dist/temporal', /./)].map((file) =>
      path.relative('dist', file),
    );
    for (const file of present) if (!expected.has(file)) rmSync(path.join(dist, file));
    // What has type errors is put in place all the same, as tsc does, and built again next time.
    if (status !== 0) throw new Error('tsc found errors');
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function buildBundle() {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(root, 'src', 'workflows', 'index.ts'),
    workflowInterceptorModules: [path.join(root, 'src', 'workflows', 'interceptors.ts')],
    logger: new DefaultLogger('WARN'),
  });
  place(bundleFile, Buffer.from(code));
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

const bundleSources = ['src/workflows', 'src/contract', 'src/domain'].flatMap((folder) => filesOf(folder, SOURCE));
const programSources = [
  ...['src', 'temporal'].flatMap((folder) => [...filesOf(folder, SOURCE), ...filesOf(folder, ASSET)]),
  'tsconfig.json',
  'tsconfig.build.json',
];
const parts = [
  { name: 'workflow bundle', sources: bundleSources, output: bundleFile, build: buildBundle },
  { name: 'program', sources: programSources, output: path.join(dist, 'src'), build: buildProgram },
];

process.chdir(root);
mkdirSync(dist, { recursive: true });
for (const { name, sources, output, build } of parts) {
  const hash = hashOf([...everyBuild, ...sources]);
  if (!process.argv.includes('--force') && readStamp()[name] === hash && existsSync(output)) continue;
  const startedAt = Date.now();
  try {
    await build();
  } catch (error) {
    console.error(`build: the ${name} could not be built: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
    continue;
  }
  place(stampFile, Buffer.from(`${JSON.stringify({ ...readStamp(), [name]: hash }, undefined, 2)}\n`));
  console.log(`build: ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
}
