/**
 * Runs jest's project `nvme` in a guest with a kernel of its own, NVMe/TCP target and host at once: `npm run test:nvme [-- jest's
 * arguments]`. The guest sees this machine's files; Temporal runs outside, where it is ten times faster. A second guest beside it is
 * another node, for the tests that ask it for something (second-guest.ts).
 */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureGuest, ensureModules, findWhyNoGuest, makeImage } from './machine.mjs';

/** The whole run in the guest: a quarter of an hour where nothing else runs, much more where the machine has other work. */
const LIMIT_MS = 45 * 60_000;
/** Sparse: what tests write, and the files of the simulated RDS. */
const SCRATCH_BYTES = 16 * 2 ** 30;
const GUEST_MEMORY_MIB = process.env.RDS_CSI_GUEST_MEMORY_MIB ?? '4096';
/**
 * Host and target share this kernel's memory: data goes from a huge page of the writer's straight to the target, which the kernel's
 * own check of copies takes for an attack where it crosses the page's end. Two kernels never do that. A processor that is emulated on
 * a busy machine stands still for seconds, which is no bug either.
 */
const KERNEL_OPTIONS =
  'console=ttyS0 panic=-1 mitigations=off hardened_usercopy=off transparent_hugepage=never nowatchdog';
/** Software emulation works everywhere; `kvm` is ten times faster where it works. */
const ACCELERATOR = process.env.RDS_CSI_GUEST_ACCELERATOR ?? 'tcg,thread=multi';
/**
 * What a newer processor has is what takes long to emulate; and as this one the guest takes its time from the processor, not from a
 * device that each look at the clock is a way out of the guest to. The suite is a quarter shorter than with `max`.
 */
const PROCESSOR = ACCELERATOR.startsWith('tcg') ? 'Nehalem' : 'host';
/** The machine's 127.0.0.1 as the guest sees it (QEMU's user networking). */
const MACHINE = '10.0.2.2';
/** Where the second guest has little to do. */
const SECOND_MEMORY_MIB = '2048';
/** The network between the two guests; its frames are large, since each costs the same to emulate. */
const LINK = { first: '10.77.0.1', second: '10.77.0.2', mtu: 9_000 };
const AGENT_PORT = 4000;
/** A disk of the guest's own, for all that the tests write. */
const SCRATCH = '/run/scratch';

/** Sparse. */
const CHECKOUT_MEGABYTES = 512;
const NOT_TAKEN = new Set(['node_modules', '.git', 'reports']);

const root = path.resolve(import.meta.dirname, '../../..');

/** One shell word. */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What both guests do first: environment, disks, and the link between the two. */
function preparation({ variables, linkAddress }) {
  const all = {
    HOME: process.env.HOME ?? '/root',
    PATH: `${path.join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
    TMPDIR: SCRATCH,
    // Compiling is what a start of the driver takes longest for here.
    NODE_COMPILE_CACHE: `${SCRATCH}/compiled`,
    ...variables,
  };
  return [
    ...Object.entries(all).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `mkdir -p ${SCRATCH} && mkfs.ext4 -q -N 65536 -E nodiscard /dev/vda && mount -o noinit_itable /dev/vda ${SCRATCH}`,
    `mount -o ro /dev/vdb ${quoted(root)} && mount -o ro /dev/vdc ${quoted(path.join(root, 'node_modules'))}`,
    `busybox ip addr add ${linkAddress}/24 dev eth1 && busybox ip link set eth1 mtu ${LINK.mtu} up`,
    `cd ${quoted(root)}`,
  ];
}

/** The command that the guest's first process becomes. */
function commandOf({ temporalAddress, jestArguments }) {
  const variables = {
    CI: 'true',
    TEMPORAL_ADDRESS: temporalAddress.replace(/^(127\.0\.0\.1|localhost)(?=:)/, MACHINE),
    RDS_CSI_GUEST: 'yes',
    RDS_CSI_GUEST_LINK: LINK.first,
    RDS_CSI_SECOND_GUEST: `${LINK.second}:${AGENT_PORT}`,
    RDS_CSI_REPORTS: '/run/job/reports',
  };
  const jest = [
    'node',
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
  ];
  const all = [
    ...jest,
    '--config=jest.config.cjs',
    '--selectProjects=nvme',
    '--runInBand',
    '--forceExit',
    ...jestArguments,
  ];
  return [
    ...preparation({ variables, linkAddress: LINK.first }),
    `${all.map(quoted).join(' ')} && echo 0 >/run/job/status`,
    'dmesg >/run/job/kernel.log',
    'sync',
    'busybox poweroff -f',
    '',
  ].join('\n');
}

/** The second guest does what it is told. */
function secondCommand() {
  return [
    ...preparation({ variables: {}, linkAddress: LINK.second }),
    `node test/nvme/guest/agent.mjs ${LINK.second} ${AGENT_PORT}`,
    'busybox poweroff -f',
    '',
  ].join('\n');
}

function qemuArguments({ guest, job, scratch, checkout, modules, memoryMib, processors, logLevel, link }) {
  return [
    ['-machine', 'q35', '-accel', ACCELERATOR, '-cpu', PROCESSOR, '-smp', processors],
    ['-m', memoryMib, '-nodefaults', '-nographic', '-no-reboot', '-serial', 'stdio'],
    ['-kernel', path.join(guest, 'vmlinuz'), '-initrd', path.join(guest, 'initrd.gz')],
    ['-append', `${KERNEL_OPTIONS} loglevel=${logLevel}`],
    ['-virtfs', 'local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap'],
    ['-virtfs', `local,path=${job},mount_tag=job,security_model=none`],
    ['-drive', `file=${scratch},if=virtio,format=raw,cache=unsafe,discard=unmap`],
    ['-drive', `file=${checkout},if=virtio,format=raw,readonly=on`],
    ['-drive', `file=${modules},if=virtio,format=raw,readonly=on`],
    ['-netdev', 'user,id=machine', '-device', 'virtio-net-pci,netdev=machine,romfile='],
    ['-netdev', `dgram,id=link,${endOf('local', link.mine)},${endOf('remote', link.other)}`],
    ['-device', `virtio-net-pci,netdev=link,mac=${link.mac},romfile=`],
  ].flat();
}

/** An end of the link; what is sent while there is nothing at the other is lost, as on any network. */
function endOf(side, file) {
  return `${side}.type=unix,${side}.path=${file}`;
}

/** QEMU ends with this process, however that ends. */
function startQemu(parts, stdio) {
  return spawn('setpriv', ['--pdeathsig=KILL', '--', 'qemu-system-x86_64', ...qemuArguments(parts)], { stdio });
}

/** Resolves with why it ended early, or undefined. */
function runGuest(parts, stopped) {
  return new Promise((resolve) => {
    const guest = startQemu(parts, ['ignore', 'inherit', 'pipe']);
    let words = '';
    guest.stderr.on('data', (chunk) => {
      words += chunk;
    });
    const kill = (why) => {
      words = why;
      guest.kill('SIGKILL');
    };
    const timer = setTimeout(() => kill(`the limit of ${LIMIT_MS / 60_000} minutes was reached`), LIMIT_MS);
    stopped.addEventListener('abort', () => kill('it was stopped'), { once: true });
    guest.once('error', (error) => resolve(error.message));
    guest.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? undefined : `QEMU ended with ${signal ?? `code ${code}`}: ${words.trim()}`);
    });
  });
}

/** Its console, and what QEMU has to say of it, are in its job's folder, which is in the first one's. Returns what ends it. */
function startSecondGuest(parts) {
  const file = path.join(parts.job, 'console');
  const console = openSync(file, 'a');
  const guest = startQemu(parts, ['ignore', console, console]);
  closeSync(console);
  const ended = new Promise((resolve) => {
    guest.once('error', (error) => resolve(error.message));
    guest.once('close', (code, signal) => resolve(`QEMU ended with ${signal ?? `code ${code}`}`));
  });
  void ended.then((how) => appendFileSync(file, `\n${how}\n`));
  return async () => {
    guest.kill('SIGKILL');
    await ended;
  };
}

/** What the two have of their own; the rest is the same. */
function guestsOf(folder) {
  const job = path.join(folder, 'job');
  const [first, second] = ['first', 'second'].map((name) => path.join(folder, `${name}.link`));
  const guests = {
    first: {
      job,
      scratch: path.join(folder, 'scratch'),
      memoryMib: GUEST_MEMORY_MIB,
      processors: '2',
      logLevel: 1,
      link: { mine: first, other: second, mac: '52:54:00:77:00:01' },
    },
    second: {
      job: path.join(job, 'second'),
      scratch: path.join(folder, 'second-scratch'),
      memoryMib: SECOND_MEMORY_MIB,
      processors: '1',
      // Nobody sees its console unless it does not boot.
      logLevel: 6,
      link: { mine: second, other: first, mac: '52:54:00:77:00:02' },
    },
  };
  for (const { job: jobFolder, scratch } of Object.values(guests)) {
    mkdirSync(jobFolder, { recursive: true });
    writeFileSync(scratch, '');
    truncateSync(scratch, SCRATCH_BYTES);
  }
  return guests;
}

/** What was built, with all that is beside it. */
function imageOfCheckout(folder) {
  const staged = path.join(folder, 'checkout');
  for (const name of readdirSync(root)) {
    if (NOT_TAKEN.has(name)) continue;
    cpSync(path.join(root, name), path.join(staged, name), { recursive: true });
  }
  mkdirSync(path.join(staged, 'node_modules'));
  const image = `${staged}.img`;
  makeImage({ folder: staged, image, megabytes: CHECKOUT_MEGABYTES });
  return image;
}

async function main() {
  const why = findWhyNoGuest();
  if (why) throw new Error(`the tests of NVMe/TCP need a guest, and this machine cannot have one: ${why}`);
  const log = (line) => process.stderr.write(`test:nvme: ${line}\n`);
  const guest = ensureGuest(log);
  const modules = ensureModules(root, log);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop.abort());
  const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-guest-'));
  const { startTemporalServer } = createRequire(import.meta.url)(path.join(root, 'dist/temporal/server.js'));
  let temporal;
  let endSecond;
  try {
    temporal = await startTemporalServer({ log, dbFilename: path.join(folder, 'temporal.db'), signal: stop.signal });
    const { first, second } = guestsOf(folder);
    const common = { guest, checkout: imageOfCheckout(folder), modules };
    mkdirSync(path.join(first.job, 'reports'));
    const command = commandOf({ temporalAddress: temporal.address, jestArguments: process.argv.slice(2) });
    writeFileSync(path.join(first.job, 'command'), command);
    writeFileSync(path.join(second.job, 'command'), secondCommand());
    endSecond = startSecondGuest({ ...common, ...second });
    const problem = await runGuest({ ...common, ...first }, stop.signal);
    keepReports(first.job);
    if (problem) throw new Error(problem);
    return existsSync(path.join(first.job, 'status')) ? 0 : 1;
  } finally {
    await endSecond?.();
    await temporal?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What .ci/run adds up, and what the guest's kernel had to say. */
function keepReports(job) {
  const folder = process.env.RDS_CSI_REPORTS;
  if (!folder) return;
  cpSync(path.join(job, 'reports'), folder, { recursive: true });
  const kernelLog = path.join(job, 'kernel.log');
  if (existsSync(kernelLog)) writeFileSync(path.join(folder, 'nvme-guest-kernel.log'), readFileSync(kernelLog));
}

process.exitCode = await main().catch((error) => {
  process.stderr.write(`test:nvme: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
