import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '../kit/driver';
import { connectedNqns, deviceOf } from './kit';

/** What tests do to the guest's kernel past the driver and past the simulated RDS. */
const NVMET = '/sys/kernel/config/nvmet';

/** The target's side of a volume. */
export function targetOf(volumeId: string, nqnPrefix = 'nqn.2000-02.com.mikrotik:') {
  const subsystem = path.join(NVMET, 'subsystems', `${nqnPrefix}${volumeId}`);
  return {
    /** What it exports. */
    file: () => readFileSync(path.join(subsystem, 'namespaces/1/device_path'), 'utf8').trim(),
    /** Whether any host may connect. */
    allowAnyHost: (allowed: boolean) => writeFileSync(path.join(subsystem, 'attr_allow_any_host'), allowed ? '1' : '0'),
    /** Whether it has a disk: without, hosts connect and find nothing. */
    enable: (enabled: boolean) => writeFileSync(path.join(subsystem, 'namespaces/1/enable'), enabled ? '1' : '0'),
  };
}

/** Looks through a volume's ext file system where the RDS has it. Nobody may have it mounted. Throws with what is wrong with it. */
export function checkExt(volumeId: string): void {
  execFileSync('e2fsck', ['-f', '-n', targetOf(volumeId).file()], { stdio: 'pipe' });
}

/**
 * Cuts a TCP port of this machine as a broken link does, nothing arrives and nobody is told; or as a closed one, where whoever sends
 * is told at once. Returns what mends it.
 */
export function cutPort(port: number, how: 'drop' | 'reject with tcp reset' = 'drop'): () => void {
  const table = `cut-${randomUUID().slice(0, 8)}`;
  const rules = ['dport', 'sport'].map((side) => `tcp ${side} ${port} ${how}`).join('\n');
  execFileSync('nft', ['-f', '-'], {
    input: `table inet ${table} {\n chain in {\n type filter hook input priority 0;\n ${rules}\n }\n}\n`,
  });
  return () => execFileSync('nft', ['delete', 'table', 'inet', table]);
}

/** A folder with an empty one in it, and without room for anything more. Returns what puts back the one that was there. */
export function fillFolder(folder: string, name: string): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  mkdirSync(path.join(folder, name));
  const fill = () => appendFileSync(path.join(folder, 'fill'), Buffer.alloc(2 ** 12));
  try {
    for (;;) fill();
  } catch {
    return () => execFileSync('umount', [folder]);
  }
}

/** Makes the kernel believe that a volume's file system has met an error. */
export const failFileSystem = {
  ext4(volumeId: string, _mountPoint: string): void {
    writeFileSync(`/sys/fs/ext4/${path.basename(deviceOf(volumeId) ?? '')}/trigger_fs_error`, 'a test');
  },
  xfs(_volumeId: string, mountPoint: string): void {
    execFileSync('xfs_io', ['-x', '-c', 'shutdown', mountPoint], { stdio: 'pipe' });
  },
};

/** Ends every session of a volume; reads and writes that wait for one fail. */
export function disconnectAll(): void {
  for (const nqn of connectedNqns()) {
    if (nqn.startsWith('nqn.2000-02.com.mikrotik:')) execFileSync('nvme', ['disconnect', '-n', nqn], { stdio: 'pipe' });
  }
}

/** The node's own session with an array that is none of the driver's, e.g. of the disk that the node runs from. */
export interface ForeignSession {
  readonly devicePath: string;
  readonly nqn: string;
  end(): void;
}

/** Exported at a port of its own, by nobody that the tests stop. */
export async function startForeignSession(folder: string): Promise<ForeignSession> {
  const nqn = `nqn.2001-03.org.example:host-disk-${randomUUID()}`;
  const subsystem = path.join(NVMET, 'subsystems', nqn);
  const namespace = path.join(subsystem, 'namespaces/1');
  const port = path.join(NVMET, 'ports/900');
  const file = path.join(folder, 'foreign.img');
  writeFileSync(file, Buffer.alloc(2 ** 26));
  const set = (folderOf: string, values: Readonly<Record<string, string>>) => {
    mkdirSync(folderOf);
    for (const [name, value] of Object.entries(values)) writeFileSync(path.join(folderOf, name), value);
  };
  set(subsystem, { attr_allow_any_host: '1' });
  set(namespace, { device_path: file, enable: '1' });
  set(port, { addr_trtype: 'tcp', addr_adrfam: 'ipv4', addr_traddr: '127.0.0.1', addr_trsvcid: '4999' });
  symlinkSync(subsystem, path.join(port, 'subsystems', nqn));
  const where = ['-t', 'tcp', '-a', '127.0.0.1', '-s', '4999', '-n', nqn];
  const who = ['--hostnqn', `nqn.2014-08.org.nvmexpress:uuid:${randomUUID()}`, '--hostid', randomUUID()];
  execFileSync('nvme', ['connect', ...where, ...who], { stdio: 'pipe' });
  await waitFor(
    () => deviceOf(nqn) !== undefined,
    () => 'the foreign session has no device',
  );
  return {
    nqn,
    devicePath: deviceOf(nqn) ?? '',
    end() {
      execFileSync('nvme', ['disconnect', '-n', nqn], { stdio: 'pipe' });
      unlinkSync(path.join(port, 'subsystems', nqn));
      rmdirSync(port);
      writeFileSync(path.join(namespace, 'enable'), '0');
      rmdirSync(namespace);
      rmdirSync(subsystem);
    },
  };
}
