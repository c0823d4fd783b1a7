import type { CsiClient } from '../../src/cli/csi-client';
import type { Kubernetes } from './kubernetes';
import { createAttachment, createVolume } from './kubernetes-objects';
import { createOf, newName, publishOf } from './requests';

/** Volumes as provisioner and attacher make them: both sides, the cluster's and the RDS's. */
export function createClusterVolumes(kubernetes: Kubernetes, csi: CsiClient) {
  const { core, storage } = kubernetes.client;
  return {
    /** A volume and its PersistentVolume, of the same name. */
    async provision(parameters: Readonly<Record<string, string>> = {}): Promise<string> {
      const volumeId = newName();
      await csi.createVolume({ ...createOf(volumeId), parameters: { ...parameters } });
      await createVolume(kubernetes.client, { name: volumeId, volumeId });
      return volumeId;
    },

    async attach(volumeId: string, nodeName: string): Promise<void> {
      await createAttachment(kubernetes.client, { name: `${volumeId}.${nodeName}`, nodeName, volumeName: volumeId });
      await csi.publishVolume(publishOf(volumeId, nodeName));
    },

    /** What is left when somebody takes the finalizer off by hand: the cluster forgets, the RDS does not. */
    async forget(volumeId: string, nodeName: string): Promise<void> {
      await storage.deleteVolumeAttachment({ name: `${volumeId}.${nodeName}` });
    },

    /** As attacher and provisioner end it. */
    async end(volumeId: string): Promise<void> {
      await csi.unpublishVolume({ volumeId, nodeId: '' });
      const { items } = await storage.listVolumeAttachment();
      for (const { metadata } of items.filter(({ metadata }) => metadata?.name?.startsWith(volumeId))) {
        await storage.deleteVolumeAttachment({ name: metadata?.name ?? '' });
      }
      await csi.deleteVolume({ volumeId });
      await core.deletePersistentVolume({ name: volumeId });
    },
  };
}
