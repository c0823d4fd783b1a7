/**
 * Everything that this machine can prove of a checkout, from a clean one on a new machine on: `.ci/run`. Needs Node 20 or newer,
 * and Go for what is built from source. Ends with a line of its own, `N passed, N failed, N skipped`, added up from the reports
 * of the test runners; the exit code is 0 only if nothing failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findWhyNoGuest } from '../test/nvme/guest/machine.mjs';

/** The whole run. Some is kept back for stopping what runs and for the last line. */
const LIMIT_MS = 90 * 60_000 - 60_000;
const KILL_AFTER_MS = 15_000;

const hasGo = spawnSync('go', ['version']).status === 0;

/** `reports`: its test runner leaves its counts, and has died if it does not. Other steps count only if they fail. */
const STEPS = [
  { name: 'npm test', args: ['test'], reports: true },
  {
    name: 'kubernetes',
    args: ['run', '--silent', 'test:kubernetes'],
    reports: true,
    unless: !hasGo && 'there is no Go to build a Kubernetes control plane with',
  },
  { name: 'NVMe/TCP', args: ['run', '--silent', 'test:nvme'], reports: true, unless: findWhyNoGuest() },
  { name: 'generated code', args: ['run', '--silent', 'generate:check'], unless: !hasGo && 'there is no Go' },
  { name: 'format', args: ['run', '--silent', 'check:format'] },
  { name: 'lint', args: ['run', '--silent', 'check:lint'] },
  { name: 'arrows', args: ['run', '--silent', 'check:arrows'] },
  { name: 'types', args: ['run', '--silent', 'check:types'] },
];

const root = path.dirname(import.meta.dirname);
const reports = path.join(root, 'reports');
const deadline = Date.now() + LIMIT_MS;
const total = { passed: 0, failed: 0, skipped: 0 };
const verdicts = [];
let running;
let stopped;

/** Ends the step that runs, with all that it started: each step is a process group. */
function stop(why) {
  stopped ??= why;
  signalStep('SIGTERM');
  setTimeout(() => signalStep('SIGKILL'), KILL_AFTER_MS).unref();
}

function signalStep(name) {
  if (running === undefined) return;
  try {
    process.kill(-running, name);
  } catch {
    // It has ended.
  }
}

function run(args, folder) {
  return new Promise((resolve) => {
    const env = { ...process.env, CI: 'true', RDS_CSI_REPORTS: folder };
    const child = spawn('npm', args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    running = child.pid;
    const timer = setTimeout(
      () => stop(`the limit of ${LIMIT_MS / 60_000} minutes was reached`),
      deadline - Date.now(),
    );
    const settle = (problem) => {
      clearTimeout(timer);
      // Whatever the step has left behind.
      signalStep('SIGKILL');
      running = undefined;
      resolve(problem);
    };
    child.once('error', (error) => settle(error.message));
    child.once('exit', (code, signal) => settle(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`));
  });
}

/** What the step's runners counted; undefined if none left a report, or one cannot be read. */
function countsIn(folder) {
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
    const counts = files.map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')));
    const sum = (key) => counts.reduce((all, count) => all + count[key], 0);
    return files.length > 0 ? { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') } : undefined;
  } catch {
    return undefined;
  }
}

async function runStep({ name, args, reports: leavesReports, unless }, index) {
  if (unless) return `${name}: not run, ${unless}`;
  if (stopped) {
    total.failed += 1;
    return `${name}: not run, ${stopped}`;
  }
  console.log(`\n=== ${name}: npm ${args.join(' ')}`);
  const folder = path.join(reports, String(index));
  mkdirSync(folder, { recursive: true });
  const startedAt = Date.now();
  const problem = await run(args, folder);
  const counts =
    countsIn(folder) ?? (leavesReports ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 0 });
  // A step may fail where its tests did not: while building, or stopping what it had started.
  if (problem && counts.failed === 0) counts.failed = 1;
  for (const key of Object.keys(total)) total[key] += counts[key];
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const tests = leavesReports ? ` (${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped)` : '';
  return `${name}: ${counts.failed > 0 ? (problem ?? 'failed') : 'ok'}${tests}, ${seconds} s`;
}

/** Programs that the node's tests use, and the Debian packages that have them: without them those tests are skipped. */
const PROGRAMS = {
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  nvme: 'nvme-cli',
  losetup: 'util-linux',
  ssh: 'openssh-client',
  openssl: 'openssl',
};

/** On a machine of Debian's kind, as root: what is missing is installed. Elsewhere the tests say what they leave out. */
function installPackages() {
  const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  const packages = Object.keys(PROGRAMS)
    .filter((program) => !has(program))
    .map((program) => PROGRAMS[program]);
  if (packages.length === 0 || process.getuid?.() !== 0 || !has('apt-get')) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { env, stdio: 'inherit', timeout: 5 * 60_000 });
  console.log(`installing ${packages.join(', ')}`);
  apt('update', '-q');
  apt('install', '-y', '-q', '--no-install-recommends', ...packages);
}

rmSync(reports, { recursive: true, force: true });
process.on('exit', () => signalStep('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(`it was stopped by ${signal}`));
installPackages();
for (const [index, step] of STEPS.entries()) verdicts.push(await runStep(step, index));
console.log(`\n${verdicts.join('\n')}\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
