import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasKubernetes, type Kubernetes, startKubernetes } from '../kit/kubernetes';
import { createAttachment, createNode, createVolume, setReady } from '../kit/kubernetes-objects';

(hasKubernetes ? describe : describe.skip)('the control plane that tests have', () => {
  let kubernetes: Kubernetes;
  beforeAll(async () => {
    kubernetes = await startKubernetes();
  });
  afterAll(() => kubernetes?.stop());

  it('keeps its objects over a crash of the API server', async () => {
    const { client } = kubernetes;
    await createNode(client, 'node-a');
    await setReady(client, 'node-a', 'False');
    await createVolume(client, { name: 'pv-1', volumeId: 'pvc-1' });
    await createAttachment(client, { name: 'va-1', nodeName: 'node-a', volumeName: 'pv-1' });
    await kubernetes.killApiServer();
    await expect(client.core.readNode({ name: 'node-a' })).rejects.toThrow('fetch failed');
    await kubernetes.startApiServer();
    expect((await client.core.readNode({ name: 'node-a' })).status?.conditions?.[0]?.status).toBe('False');
    expect((await client.storage.readVolumeAttachment({ name: 'va-1' })).status?.attached).toBe(true);
  });
});
