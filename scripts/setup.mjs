/**
 * Makes a clone ready and goes on with an npm script: `node scripts/setup.mjs [script [arguments…]]`.
 *
 * The one script that runs on the Node of the machine (20 or newer), before node_modules exists. It installs what the lock file
 * says, Node 24 among it; npm puts node_modules/.bin first on the PATH of what it starts then, so the script runs on Node 24.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const nodeBinary = path.join(root, 'node_modules', 'node', 'bin', 'node');

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/** Whether node_modules holds what package-lock.json names, by the list that npm itself keeps of what it installed. */
function isInstalled() {
  if (!existsSync(nodeBinary)) return false;
  const installed = readPackages('node_modules/.package-lock.json');
  const locked = readPackages('package-lock.json');
  const missing = Object.entries(locked).some(
    ([place, { version, optional, link }]) =>
      place !== '' && !optional && !link && installed[place]?.version !== version,
  );
  const other = Object.entries(installed).some(([place, { version }]) => locked[place]?.version !== version);
  return !missing && !other;
}

/** Runs npm (the one that runs us, if one does) and ends this process with its code if that is not 0. */
function npm(...args) {
  const own = process.env.npm_execpath;
  const [command, ...first] = own && /\.[cm]?js$/.test(own) ? [process.execPath, own] : ['npm'];
  const { status, signal, error } = spawnSync(command, [...first, ...args], { cwd: root, stdio: 'inherit' });
  if (error) {
    console.error(`setup: npm could not be started: ${error.message}`);
    process.exit(1);
  }
  const code = signal ? 128 + constants.signals[signal] : status;
  if (code !== 0) process.exit(code);
}

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  console.error(`setup: Node ${OLDEST_NODE} or newer is needed to install; this is ${process.versions.node}`);
  process.exit(1);
}
if (!isInstalled()) {
  console.log('setup: npm ci');
  npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  if (!existsSync(nodeBinary)) {
    console.error('setup: npm ci did not install Node 24 (its install script was not run); try: npm rebuild node');
    process.exit(1);
  }
}
const [script, ...args] = process.argv.slice(2);
if (script) npm('run', '--silent', script, '--', ...args);
