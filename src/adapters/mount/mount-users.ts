import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isAtOrBelow, type Mount, parseMountinfo } from '../../domain/mountinfo';

/** Most users that a message names. */
const MOST_NAMED = 5;
/** Longest that is looked for them: they are told for a person's sake only. */
const SEARCH_LIMIT_MS = 1_000;

/**
 * What is looked at in /proc/<pid>. Not `exe`, `maps` and `cmdline`: they wait for the process's memory, which may itself be
 * waiting for a dead device.
 */
const LINKS = [
  ['cwd', 'its working directory'],
  ['root', 'its root directory'],
] as const;

interface Search {
  readonly procRoot: string;
  readonly deadlineMs: number;
  readonly found: string[];
}

/**
 * Who uses a mount point in this mount namespace, for a person: ` (used by sleep[123]: /a/b/file; mounted below: /a/b/c)`, or
 * nothing where nobody was found in a second. Reads /proc alone, and touches no mount.
 */
export async function formatMountUsers({
  procRoot,
  mountPoint,
  mounts,
}: {
  readonly procRoot: string;
  readonly mountPoint: string;
  readonly mounts: readonly Mount[];
}): Promise<string> {
  const below = mounts.filter((mount) => mount.mountPoint !== mountPoint && isAtOrBelow(mount.mountPoint, mountPoint));
  const search = startSearch(procRoot);
  await forEachProcess(search, async (pid) => {
    const used = await findUsedBelow(search, { pid, mountPoint });
    if (used !== undefined) search.found.push(`${await nameOf(search, pid)}: ${used}`);
  });
  return format([...search.found, ...below.map((mount) => `mounted below: ${mount.mountPoint}`)]);
}

/**
 * Where a device is mounted, in any mount namespace that /proc shows: ` (mounted at /a/b, as pause[123] sees it)`, or nothing. A
 * namespace has no name of its own: one of its processes stands for it, and need not be the one that mounted it.
 */
export async function formatDeviceUsers({
  procRoot,
  isDevice,
}: {
  readonly procRoot: string;
  readonly isDevice: (mount: Mount) => boolean;
}): Promise<string> {
  const search = startSearch(procRoot);
  const namespaces = new Set<string>();
  await forEachProcess(search, async (pid) => {
    const namespace = await readlink(join(procRoot, pid, 'ns', 'mnt'));
    if (namespaces.has(namespace)) return;
    namespaces.add(namespace);
    const mount = parseMountinfo(await readFile(join(procRoot, pid, 'mountinfo'), 'utf8')).find(isDevice);
    if (mount) search.found.push(`mounted at ${mount.mountPoint}, as ${await nameOf(search, pid)} sees it`);
  });
  return format(search.found);
}

function startSearch(procRoot: string): Search {
  return { procRoot, deadlineMs: performance.now() + SEARCH_LIMIT_MS, found: [] };
}

/** In turn, until enough is found or the time is over. A process that ends meanwhile uses nothing. */
async function forEachProcess(search: Search, look: (pid: string) => Promise<void>): Promise<void> {
  const names = await readdir(search.procRoot).catch(() => []);
  for (const pid of names.filter((name) => /^[0-9]+$/.test(name))) {
    if (performance.now() > search.deadlineMs || search.found.length >= MOST_NAMED) return;
    await look(pid).catch(() => undefined);
  }
}

async function findUsedBelow(
  { procRoot }: Search,
  { pid, mountPoint }: { readonly pid: string; readonly mountPoint: string },
): Promise<string | undefined> {
  const folder = join(procRoot, pid);
  const targetOf = (link: string) => readlink(join(folder, link)).catch(() => '');
  for (const [link, meaning] of LINKS) {
    if (isAtOrBelow(await targetOf(link), mountPoint)) return meaning;
  }
  for (const fd of await readdir(join(folder, 'fd'))) {
    const target = await targetOf(join('fd', fd));
    if (isAtOrBelow(target, mountPoint)) return target;
  }
  return undefined;
}

async function nameOf({ procRoot }: Search, pid: string): Promise<string> {
  const name = await readFile(join(procRoot, pid, 'comm'), 'utf8').catch(() => 'process');
  return `${name.trim()}[${pid}]`;
}

function format(users: readonly string[]): string {
  if (users.length === 0) return '';
  const more = users.length > MOST_NAMED ? `; and ${users.length - MOST_NAMED} more` : '';
  return ` (used by ${users.slice(0, MOST_NAMED).join('; ')}${more})`;
}
