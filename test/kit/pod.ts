import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import type { Driver, Node } from './driver';
import { type blockOf, GIB, mountOf, newName } from './requests';

type Capability = ReturnType<typeof mountOf> | ReturnType<typeof blockOf>;

/** Loop devices and mounts are root's: tests of them are left out, visibly, where they cannot be. */
export const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

/** A volume as a pod on a node has it, and what the provisioner, the attacher and the kubelet do for it. */
export async function createPodVolume(
  driver: Pick<Driver, 'csi' | 'rds'>,
  volumeCapability: Capability = mountOf(),
  requiredBytes = GIB / 2n,
  parameters: Readonly<Record<string, string>> = {},
) {
  const volumeCapabilities = [volumeCapability];
  const request = { name: newName(), capacityRange: { requiredBytes }, volumeCapabilities, parameters };
  const { volume } = await driver.csi.createVolume(request);
  if (!volume) throw new Error('CreateVolume made no volume');
  const { volumeId, volumeContext } = volume;
  return {
    volumeId,
    /** The requests of a pod on this node; the folders that the kubelet makes are there. */
    on<On extends Pick<Node, 'csi' | 'kubeletDir'>>(node: On, readonly = false) {
      const stagingTargetPath = path.join(node.kubeletDir, 'plugins', volumeId, 'globalmount');
      const targetPath = path.join(node.kubeletDir, 'pods', volumeId, 'mount');
      mkdirSync(stagingTargetPath, { recursive: true });
      mkdirSync(path.dirname(targetPath), { recursive: true });
      const stage = { volumeId, stagingTargetPath, volumeContext, volumeCapability };
      return {
        node,
        stagingTargetPath,
        targetPath,
        stage,
        publish: { ...stage, targetPath, readonly },
        unpublish: { volumeId, targetPath },
        unstage: { volumeId, stagingTargetPath },
        expand: { volumeId, volumePath: targetPath, stagingTargetPath },
      };
    },
    /** All of it undone, and proven to be. */
    async end(node: Node): Promise<void> {
      const { unpublish, unstage, targetPath } = this.on(node);
      await node.csi.unpublish(unpublish);
      await node.csi.unstage(unstage);
      await driver.csi.unpublishVolume({ volumeId, nodeId: '' });
      await driver.csi.deleteVolume({ volumeId });
      expect(existsSync(targetPath)).toBe(false);
      expect(mountsOf(volumeId)).toEqual([]);
      expect(loopsOf(volumeId)).toEqual([]);
      expect(filesOf(volumeId, node)).toEqual([]);
      expect(await driver.rds.traces(volumeId)).toEqual({ disks: [], files: [] });
    },
  };
}

/** Places that mountinfo shows with the volume's ID in them. */
export function mountsOf(volumeId: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '').filter((place) => place.includes(volumeId));
}

/** Loop devices on files with the volume's ID in their names. */
export function loopsOf(volumeId: string): string[] {
  const names = readdirSync('/sys/block').map((name) => `/sys/block/${name}/loop/backing_file`);
  return names.filter((name) => existsSync(name) && readFileSync(name, 'utf8').includes(volumeId));
}

/** Files that the node has made for the volume: notes, marks, names of its backing file. Not what is mounted: nothing may be. */
export function filesOf(volumeId: string, { kubeletDir }: Node): string[] {
  const links = path.join(path.dirname(kubeletDir), 'rds', 'nodes', path.basename(kubeletDir).replace('kubelet-', ''));
  return [kubeletDir, links]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => file.includes(volumeId));
}
