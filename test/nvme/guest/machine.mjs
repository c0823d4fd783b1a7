/** The guest of the NVMe/TCP tests, and whether this machine can have it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

/** Sparse. */
const MODULES_MEGABYTES = 4_096;
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
  const cache = cacheFolder();
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

/** A disk image with the folder's content, without a journal: nobody writes to it. `megabytes` is its size. */
export function makeImage({ folder, image, megabytes }) {
  run('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal', '-E', 'nodiscard', '-d', folder, image, `${megabytes}M`]);
}

/**
 * node_modules as an image, kept in the cache: looking for modules in the machine's files takes the guest ten times longer than in
 * a file system of its own. One version is kept.
 */
export function ensureModules(root, log) {
  const modules = realpathSync(path.join(root, 'node_modules'));
  const version = createHash('sha256')
    .update(`${modules} `)
    .update(readFileSync(path.join(modules, '.package-lock.json')))
    .digest('hex')
    .slice(0, 12);
  const image = path.join(cacheFolder(), `nvme-guest-modules-${version}.img`);
  if (existsSync(image)) return image;
  mkdirSync(cacheFolder(), { recursive: true });
  for (const name of readdirSync(cacheFolder())) {
    if (name.startsWith('nvme-guest-modules-')) rmSync(path.join(cacheFolder(), name), { force: true });
  }
  const draft = `${image}.${process.pid}`;
  log(`making an image of node_modules in ${image}, once (about 10 seconds)`);
  makeImage({ folder: modules, image: draft, megabytes: MODULES_MEGABYTES });
  renameSync(draft, image);
  return image;
}

function cacheFolder() {
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'rds-csi');
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
