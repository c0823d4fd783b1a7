import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { VolumeCapability } from '../csi/generated/csi';
import { formatBytes, MIB } from '../domain/size';
import type { EmbeddedNode } from './embedded-node';

interface PodVolume {
  readonly volumeId: string;
  readonly volumeCapability: VolumeCapability;
}

/** A pod that uses a volume, and the kubelet that gives it to it: each act returns a line about what happened. */
export interface Pod {
  /** What CreateVolume has said of the volume, which Kubernetes keeps in the PersistentVolume. */
  learn(volumeContext: Readonly<Record<string, string>>): void;
  stage(): Promise<string>;
  publish(): Promise<string>;
  write(): Promise<string>;
  grow(requiredBytes: bigint): Promise<string>;
  leave(): Promise<string>;
}

export function createPod(
  { csi, kubeletDir, fileSystem }: EmbeddedNode,
  { volumeId, volumeCapability }: PodVolume,
): Pod {
  const stagingTargetPath = path.join(kubeletDir, 'plugins', volumeId, 'globalmount');
  const targetPath = path.join(kubeletDir, 'pods', volumeId, 'mount');
  const file = path.join(targetPath, 'data');
  let volumeContext: Record<string, string> = {};
  const roomFor = async (): Promise<string> => {
    const { bsize, blocks } = await statfs(targetPath, { bigint: true });
    return `room for ${formatBytes(((bsize * blocks) / MIB) * MIB)}`;
  };
  return {
    learn(context) {
      volumeContext = { ...context };
    },
    async stage() {
      await mkdir(stagingTargetPath, { recursive: true });
      await csi.stage({ volumeId, stagingTargetPath, volumeContext, volumeCapability });
      return `${fileSystem} is mounted at ${stagingTargetPath}`;
    },
    async publish() {
      await mkdir(path.dirname(targetPath), { recursive: true });
      await csi.publish({ volumeId, stagingTargetPath, targetPath, volumeContext, volumeCapability });
      return `the pod sees it at ${targetPath}, ${await roomFor()}`;
    },
    async write() {
      const bytes = randomBytes(4 * 1024 * 1024);
      await writeFile(file, bytes);
      const read = await readFile(file);
      if (!read.equals(bytes)) throw new Error(`${file} reads back as something else`);
      return `4 MiB, SHA-256 ${createHash('sha256').update(read).digest('hex').slice(0, 16)}…`;
    },
    async grow(requiredBytes) {
      await csi.expand({ volumeId, volumePath: targetPath, stagingTargetPath, capacityRange: { requiredBytes } });
      return `the file system has grown without an interruption: ${await roomFor()}`;
    },
    async leave() {
      await csi.unpublish({ volumeId, targetPath });
      await csi.unstage({ volumeId, stagingTargetPath });
      return 'nothing is mounted, and the volume is not connected any more';
    },
  };
}
