/** The guest of the NVMe/TCP tests, and whether this machine can have it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const APT_LIMIT_MS = 5 * 60_000;
const here = import.meta.dirname;

const linesOf = (name) =>
  readFileSync(path.join(here, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

/** For a person; undefined: it can. Whether a package can be had, only trying tells. */
export function findWhyNoGuest() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'it is not Linux on x86-64';
  if (process.getuid?.() !== 0) return 'it takes root (packages of Debian, and the files that tests own)';
  if (spawnSync('apt-get', ['--version']).status !== 0) return 'it is not of Debian’s kind: there is no apt-get';
  return undefined;
}

/** Installs what is missing, builds the guest unless this version of it is there, and returns its folder. Throws an Error. */
export function ensureGuest(log) {
  installPackages(log);
  const recipe = createHash('sha256');
  for (const name of ['build.sh', 'init', 'modules.txt']) recipe.update(readFileSync(path.join(here, name)));
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'rds-csi');
  const folder = path.join(cache, `nvme-guest-${recipe.digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(`${folder}.draft-`);
  try {
    log(`building the guest in ${folder}, once (about 15 seconds)`);
    run('bash', [path.join(here, 'build.sh'), draft]);
    placeUnlessThere(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

function placeUnlessThere(draft, folder) {
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another run was first.
    if (!existsSync(folder)) throw error;
  }
}

function installPackages(log) {
  const listed = linesOf('packages.txt');
  const isInstalled = (name) => {
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
    return stdout === 'installed';
  };
  const missing = listed.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  log(`installing ${missing.join(', ')}`);
  run('apt-get', ['update', '-qq']);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing]);
}

/** Its output is only shown if it fails. */
function run(file, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr, error } = spawnSync(file, args, { env, encoding: 'utf8', timeout: APT_LIMIT_MS });
  if (status === 0) return;
  const words = error ? error.message : `${stdout}\n${stderr}`.trim().slice(-4_000);
  throw new Error(`${file} ${args.join(' ')} failed:\n${words}`);
}
