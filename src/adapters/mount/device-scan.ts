/**
 * A program of its own, run by device-users.ts in another process: what it looks at may be on a mount that never answers, and hangs
 * nobody else. It imports nothing of the project, so that Node runs it as it stands, from the sources too.
 *
 *   device-scan scan <sysfs> <procfs> <kubelet's directory> <major>:<minor>…   prints a Scan as JSON
 *
 * A device is told by its numbers alone: every mount namespace has names of its own.
 */
import { execFileSync } from 'node:child_process';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';

/** What was found of some block devices. */
interface Scan {
  /** Who has each of the devices, by its numbers. */
  readonly users: Readonly<Record<string, readonly string[]>>;
  /** What could not be looked at: while there is any, nobody knows that a device is unused. */
  readonly unknown: readonly string[];
}

interface ScanPlaces {
  readonly sysRoot: string;
  readonly procRoot: string;
  readonly kubeletDir: string;
  /** `259:3`, … */
  readonly devices: readonly string[];
  /** What a device node at a path is: `b259:3`, `c240:1`; undefined: none. Only for tests, which cannot make any. */
  readonly nodeAt?: (path: string, way: 'the node' | 'what the link names') => string | undefined;
  /** The table of losetup; only for tests. */
  readonly listLoops?: () => string;
}

/** Most that is told of one device, and of what is unknown. */
const MOST_NAMED = 8;
const MOST_ENTRIES = 200_000;
const DEEPEST = 8;
/** A process that is started meanwhile may have taken over what another one had. */
const MOST_ROUNDS = 3;
/** PROC_PID_INIT_INO of the kernel: the namespace that shows all processes of the machine. */
const WHOLE_MACHINE = 'pid:[4026531836]';
/** What the kernel calls things that no path leads to; anything else may be a device. */
const NO_PATH = /^(?:socket|pipe|anon_inode|net|mnt|pid|pid_for_children|time|ipc|uts|user|cgroup):/;
/** A line of losetup's: name, file system's numbers and inode of the file. It fills with blanks, and writes them as `\x20`. */
const LOOP = /^\/dev\/(loop[0-9]+) +([0-9]+:[0-9]+ +[0-9]+) *$/gm;
const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESRCH', 'ENODEV', 'ENXIO'];

export function scanDevices(places: ScanPlaces): Scan {
  const scan = new Scanner(places);
  for (const device of places.devices) scan.want(device);
  scan.lookAtMounts();
  scan.lookAtLoops();
  scan.lookAtKubelet();
  scan.lookAtProcesses();
  return scan.result();
}

class Scanner {
  private readonly users = new Map<string, Set<string>>();
  private readonly unknown = new Set<string>();
  /** The device whose part or other face each node is: `b259:3` → `259:3`. */
  private readonly wanted = new Map<string, string>();
  private readonly mountPoints = new Set<string>();
  private readonly mappedFiles = new Map<string, string | undefined>();
  private entries = 0;
  private readonly places: ScanPlaces;
  private readonly nodeAt: NonNullable<ScanPlaces['nodeAt']>;
  private readonly listLoops: () => string;

  constructor(places: ScanPlaces) {
    this.places = places;
    this.nodeAt = places.nodeAt ?? nodeAt;
    this.listLoops = places.listLoops ?? listLoops;
  }

  result(): Scan {
    const users = this.places.devices.map((device) => [device, [...(this.users.get(device) ?? [])]] as const);
    return { users: Object.fromEntries(users), unknown: [...this.unknown] };
  }

  /** The device, its partitions, and the character device that NVMe makes beside it. */
  want(device: string): void {
    const { sysRoot } = this.places;
    this.tell(`the kernel's table of ${device}`, () => {
      const folder = realpathSync(`${sysRoot}/dev/block/${device}`);
      this.wanted.set(`b${device}`, device);
      const name = folder.slice(folder.lastIndexOf('/') + 1);
      for (const part of readdirSync(folder)) {
        if (!part.startsWith(name)) continue;
        if (readIfThere(`${folder}/${part}/partition`) === undefined) continue;
        this.wanted.set(`b${readFileSync(`${folder}/${part}/dev`, 'utf8').trim()}`, device);
      }
      const generic = readIfThere(`${sysRoot}/class/nvme-generic/${name.replace('nvme', 'ng')}/dev`);
      if (generic !== undefined) this.wanted.set(`c${generic.trim()}`, device);
    });
  }

  /** Device nodes that are bound to another place: mountinfo shows the file system of the node, not the device. */
  lookAtMounts(): void {
    this.tell('the mounts', () => {
      for (const line of readFileSync(`${this.places.procRoot}/self/mountinfo`, 'utf8').split('\n')) {
        if (line === '') continue;
        const [, , , root = '', place = ''] = line.split(' ');
        const fileSystem = line.split(' - ', 2)[1]?.split(' ', 1)[0];
        const mountPoint = unescape(place);
        this.mountPoints.add(mountPoint);
        if (root === '/' || (fileSystem !== 'devtmpfs' && fileSystem !== 'tmpfs')) continue;
        this.tellUnlessGone(mountPoint, () =>
          this.found(this.nodeAt(mountPoint, 'the node'), `bound to ${mountPoint}`),
        );
      }
    });
  }

  /** The kubelet makes loop devices on raw block volumes. */
  lookAtLoops(): void {
    const { sysRoot } = this.places;
    this.tell('the loop devices', () => {
      const used = readdirSync(`${sysRoot}/block`).flatMap((name) => {
        if (!/^loop[0-9]+$/.test(name)) return [];
        const file = readIfThere(`${sysRoot}/block/${name}/loop/backing_file`)?.replace(/\n$/, '') ?? '';
        return file === '' ? [] : [{ name, file }];
      });
      const inodes = new Map<string, string>();
      this.tell('the table of losetup', () => {
        const text = used.length === 0 ? '' : this.listLoops();
        for (const [, name = '', inode = ''] of text.matchAll(LOOP)) inodes.set(name, inode.replace(/ +/, ' '));
      });
      for (const { name, file } of used) this.lookAtLoop(name, file, inodes.get(name));
    });
  }

  /**
   * A path may name another file here than where the loop device was made, in a container: the one that has the inode which the kernel
   * tells of it is the file itself, a device's node or not.
   */
  private lookAtLoop(name: string, file: string, inode: string | undefined): void {
    // As this process sees the path, and as the machine's own processes do.
    for (const root of ['', `${this.places.procRoot}/1/root`]) {
      try {
        if (inodeAt(`${root}${file}`) !== inode) continue;
        return this.found(this.nodeAt(`${root}${file}`, 'the node'), `${name} is on ${file}`);
      } catch {
        // Not to be seen from there.
      }
    }
    this.know(`${name} is on ${file}, which cannot be looked at: it is not that file here, or losetup does not tell`);
  }

  /** Raw block volumes as they are published to pods, whoever made the nodes. Follows no link, and descends into no mount. */
  lookAtKubelet(): void {
    this.tell(`the kubelet's directory ${this.places.kubeletDir}`, () => {
      const kubeletDir = realpathSync(this.places.kubeletDir);
      this.walk(`${kubeletDir}/plugins/kubernetes.io/csi/volumeDevices`, 0);
      for (const pod of namesIn(`${kubeletDir}/pods`)) this.walk(`${kubeletDir}/pods/${pod}/volumeDevices`, 0);
    });
  }

  private walk(folder: string, depth: number): void {
    if (this.mountPoints.has(folder)) return this.know(`${folder} is a mount point`);
    if (depth > DEEPEST) return this.know(`${folder} is too deep`);
    this.tellUnlessGone(folder, () => {
      if (!lstatSync(folder).isDirectory()) return this.know(`${folder} is no directory`);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        this.entries += 1;
        if (this.entries > MOST_ENTRIES) return this.know(`${folder} has too many entries`);
        const path = `${folder}/${entry.name}`;
        if (entry.isDirectory() && !this.mountPoints.has(path)) this.walk(path, depth + 1);
        else this.tellUnlessGone(path, () => this.found(this.nodeAt(path, 'the node'), `published at ${path}`));
      }
      return undefined;
    });
  }

  lookAtProcesses(): void {
    const { procRoot } = this.places;
    this.tell('the processes', () => {
      if (readlinkSync(`${procRoot}/self/ns/pid`) !== WHOLE_MACHINE)
        this.know("the processes of the machine are not to be seen from here (the node's pod needs hostPID)");
      // procfs mounted with hidepid leaves out what one may not look at; of all processes the first one lets itself be looked at the least.
      if (!readdirSync(procRoot).includes('1')) this.know('process 1 is hidden from here, and so may others be');
      const seen = new Set<string>();
      for (let round = 0; round < MOST_ROUNDS; round += 1) {
        const pids = readdirSync(procRoot).filter((name) => /^[0-9]+$/.test(name) && !seen.has(name));
        for (const pid of pids) {
          seen.add(pid);
          this.lookAtProcess(pid);
        }
      }
    });
  }

  private lookAtProcess(pid: string): void {
    const folder = `${this.places.procRoot}/${pid}`;
    const name = () => `${readIfThere(`${folder}/comm`)?.trim() ?? 'a process'}[${pid}]`;
    this.tellUnlessGone(`${folder}/task`, () => {
      // A thread may have files of its own, and outlive the first one.
      for (const thread of readdirSync(`${folder}/task`)) this.lookAtFiles(`${folder}/task/${thread}/fd`, name);
    });
    this.tellUnlessGone(`${folder}/maps`, () => this.lookAtMemory(folder, name));
  }

  private lookAtFiles(folder: string, name: () => string): void {
    this.tellUnlessGone(folder, () => {
      for (const file of readdirSync(folder)) {
        const link = `${folder}/${file}`;
        this.tellUnlessGone(`a file of ${folder}`, () => {
          if (NO_PATH.test(readlinkSync(link))) return;
          this.found(this.nodeAt(link, 'what the link names'), () => `${name()} has it open`);
        });
      }
    });
  }

  /** A mapped device stays in use when its file is closed. */
  private lookAtMemory(folder: string, name: () => string): void {
    for (const line of readFileSync(`${folder}/maps`, 'utf8').split('\n')) {
      const match = /^0*([0-9a-f]+)-0*([0-9a-f]+) \S+ \S+ (\S+ [1-9][0-9]* +\/.*)$/.exec(line);
      const [, from, to, file] = match ?? [];
      if (from === undefined || to === undefined || file === undefined) continue;
      // What many processes have mapped, the libraries, is looked at once.
      const link = `${folder}/map_files/${from}-${to}`;
      this.tellUnlessGone(`a file of ${folder}/map_files`, () => {
        if (!this.mappedFiles.has(file)) this.mappedFiles.set(file, this.nodeAt(link, 'what the link names'));
        this.found(this.mappedFiles.get(file), () => `${name()} has it in its memory`);
      });
    }
  }

  private found(node: string | undefined, how: string | (() => string)): void {
    const device = node === undefined ? undefined : this.wanted.get(node);
    if (device === undefined) return;
    const users = this.users.get(device) ?? new Set();
    this.users.set(device, users);
    if (users.size < MOST_NAMED) users.add(typeof how === 'string' ? how : how());
  }

  private know(unknown: string): void {
    if (this.unknown.size < MOST_NAMED) this.unknown.add(unknown);
  }

  private tell(what: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      this.know(`${what} cannot be read: ${codeOf(error) ?? String(error)}`);
    }
  }

  /** What has gone meanwhile has no device any more. */
  private tellUnlessGone(what: string, look: () => void): void {
    this.tell(what, () => unlessGone(look));
  }
}

function nodeAt(path: string, way: 'the node' | 'what the link names'): string | undefined {
  const read = way === 'the node' ? lstatSync : statSync;
  const status: BigIntStats = read(path, { bigint: true });
  if (!status.isBlockDevice() && !status.isCharacterDevice()) return undefined;
  return `${status.isBlockDevice() ? 'b' : 'c'}${numbersOf(status.rdev)}`;
}

/** `259:3`, as the C library packs it (makedev(3)). */
function numbersOf(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** As `listLoops` has it. */
function inodeAt(path: string): string {
  const { dev, ino } = lstatSync(path, { bigint: true });
  return `${numbersOf(dev)} ${ino}`;
}

/** By LOOP_GET_STATUS64. sysfs has the path alone. */
function listLoops(): string {
  const columns = 'NAME,BACK-MAJ:MIN,BACK-INO';
  const args = ['--list', '--raw', '--noheadings', '--output', columns];
  return execFileSync('losetup', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).replaceAll(
    '\\x20',
    ' ',
  );
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (GONE.includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

function readIfThere(file: string): string | undefined {
  return unlessGone(() => readFileSync(file, 'utf8'));
}

function namesIn(folder: string): readonly string[] {
  return unlessGone(() => readdirSync(folder)) ?? [];
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

const [, , mode, sysRoot, procRoot, kubeletDir, ...devices] = process.argv;
if (mode === 'scan' && sysRoot !== undefined && procRoot !== undefined && kubeletDir !== undefined) {
  process.stdout.write(JSON.stringify(scanDevices({ sysRoot, procRoot, kubeletDir, devices })));
}
