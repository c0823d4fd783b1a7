import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, type Node, startDriver, waitFor } from '../kit/driver';
import { startHangingMount } from '../kit/hanging-mount';
import { createPodVolume, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { blockOf, GIB, mountOf, newName } from '../kit/requests';

let driver: Driver;
let node: Node;

(isRoot ? describe : describe.skip)('a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    node = await driver.startNode('node-a');
  });

  afterAll(async () => {
    await driver.stop();
  });

  it.each(['stage', 'unstage', 'expand'] as const)(
    'killed in the middle of %s: the repeated call ends well',
    async (operation) => {
      const volume = await createPodVolume(driver, mountOf(undefined, 'xfs'));
      const pod = volume.on(node);
      if (operation !== 'stage') {
        await node.csi.stage(pod.stage);
        await node.csi.publish(pod.publish);
        writeFileSync(path.join(pod.targetPath, 'data'), 'precious');
        await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange: { requiredBytes: GIB } });
        if (operation === 'unstage') await node.csi.unpublish(pod.unpublish);
      }
      const callOf = (on: Node) => {
        if (operation === 'stage') return on.csi.stage(pod.stage, 90_000);
        if (operation === 'unstage') return on.csi.unstage(pod.unstage, 90_000);
        return on.csi.expand({ ...pod.expand, capacityRange: { requiredBytes: GIB } }, 90_000);
      };
      const lost = callOf(node).catch(() => 'lost');
      const run = driver.temporal.client.workflow.getHandle(`volume/${volume.volumeId}/node/node-a`);
      await waitFor(
        async () => ((await run.describe()).raw.pendingActivities?.length ?? 0) > 0,
        () => `${operation} has not begun`,
      );
      await node.program.kill();
      await lost;
      node = await driver.startNode('node-a');
      await callOf(node);
      if (operation === 'expand') expect(readFileSync(path.join(pod.targetPath, 'data'), 'utf8')).toBe('precious');
      await expect(volume.end(node)).resolves.toBeUndefined();
    },
  );

  it('that finds another file system refuses to format it, says which, and leaves nothing behind', async () => {
    const volume = await createPodVolume(driver, mountOf(undefined, 'ext4'));
    const pod = volume.on(node);
    const other = volume.on(node);
    await node.csi.stage({ ...other.stage, volumeCapability: mountOf(undefined, 'xfs') });
    await node.csi.unstage(other.unstage);
    const error = await errorOf(node.csi.stage(pod.stage));
    expect([status[error.code], error.details]).toEqual(['FAILED_PRECONDITION', expect.stringContaining('xfs')]);
    expect([mountsOf(volume.volumeId), loopsOf(volume.volumeId)]).toEqual([[], []]);
    await node.csi.stage({ ...other.stage, volumeCapability: mountOf(undefined, 'xfs') });
    await volume.end(node);
  });

  it('without its Temporal namespace answers UNAVAILABLE, and goes on publishing what is staged', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.program.stop();
    const lonely = await driver.startNode('node-a', { config: { temporalNamespace: 'no-such-namespace' } });
    const begun = Date.now();
    const error = await errorOf(lonely.csi.unstage(pod.unstage));
    expect([status[error.code], error.details]).toEqual(['UNAVAILABLE', expect.stringContaining('Temporal')]);
    expect(Date.now() - begun).toBeLessThan(5_000);
    await lonely.csi.publish(pod.publish);
    writeFileSync(path.join(pod.targetPath, 'data'), 'precious');
    const { usage } = await lonely.csi.stats({ volumeId: volume.volumeId, volumePath: pod.targetPath });
    expect(usage).toHaveLength(2);
    await lonely.csi.unpublish(pod.unpublish);
    await lonely.program.stop();
    node = await driver.startNode('node-a');
    await volume.end(node);
  });

  it('asked for the same publish three times at once stacks nothing, and gives a single writer one place', async () => {
    const volume = await createPodVolume(driver, mountOf(Mode.SINGLE_NODE_SINGLE_WRITER));
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await Promise.all([1, 2, 3].map(() => node.csi.publish(pod.publish)));
    expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath, pod.targetPath]);
    const elsewhere = { ...pod.publish, targetPath: `${pod.targetPath}-2` };
    expect(status[(await errorOf(node.csi.publish(elsewhere))).code]).toBe('FAILED_PRECONDITION');
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('does not take a raw block volume away while a pod has its device node', async () => {
    const volume = await createPodVolume(driver, blockOf());
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const error = await errorOf(node.csi.unstage(pod.unstage, 3_000));
    expect([status[error.code], error.details]).toEqual(['ABORTED', expect.stringContaining('still published')]);
    expect(loopsOf(volume.volumeId)).toHaveLength(1);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('with a mount that hangs answers about it within 5 s, as abnormal, and about others at once', async () => {
    const [volume, other] = [await createPodVolume(driver), await createPodVolume(driver)];
    const [pod, well] = [volume.on(node), other.on(node)];
    for (const { stage, publish } of [pod, well]) {
      await node.csi.stage(stage);
      await node.csi.publish(publish);
    }
    const hanging = await startHangingMount(pod.targetPath);
    try {
      const begun = Date.now();
      const asked = node.csi.stats({ volumeId: volume.volumeId, volumePath: pod.targetPath });
      const { usage } = await node.csi.stats({ volumeId: other.volumeId, volumePath: well.targetPath });
      expect(usage).toHaveLength(2);
      expect(Date.now() - begun).toBeLessThan(1_000);
      expect((await asked).volumeCondition?.abnormal).toBe(true);
      expect(Date.now() - begun).toBeLessThan(5_000);
    } finally {
      await hanging.stop();
      execFileSync('umount', [pod.targetPath]);
    }
    await expect(volume.end(node)).resolves.toBeUndefined();
    await expect(other.end(node)).resolves.toBeUndefined();
  });

  it('lets nobody write to a raw block volume for readers', async () => {
    const volume = await createPodVolume(driver, blockOf(Mode.MULTI_NODE_READER_ONLY));
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const written = () =>
      execFileSync('dd', ['if=/dev/zero', `of=${pod.targetPath}`, 'bs=4096', 'count=1', 'conv=notrunc'], {
        stdio: 'pipe',
      });
    expect(written).toThrow(/not permitted|Read-only/);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('grows a volume that is published read-only', async () => {
    const volume = await createPodVolume(driver, mountOf(undefined, 'xfs'));
    const pod = volume.on(node, true);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const capacityRange = { requiredBytes: GIB };
    await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange });
    expect((await node.csi.expand({ ...pod.expand, capacityRange })).capacityBytes).toBe(GIB);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('does not mind the note of another stage that a reboot has ended', async () => {
    const volume = await createPodVolume(driver, mountOf(undefined, 'xfs'));
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    execFileSync('umount', [pod.stagingTargetPath]);
    for (const loop of loopsOf(volume.volumeId)) execFileSync('losetup', ['--detach', `/dev/${loop.split('/')[3]}`]);
    const value = { fsType: 'xfs', mountFlags: ['noatime'], volumeMountGroup: '' };
    await node.csi.stage({ ...pod.stage, volumeCapability: { ...mountOf(), accessType: { $case: 'mount', value } } });
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('takes a stage back that cannot be done, when it is asked to unstage', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    const nowhere = { ...pod.stage.volumeContext, volumePath: '/storage-pool/nowhere' };
    const error = await errorOf(node.csi.stage({ ...pod.stage, volumeContext: nowhere }, 4_000));
    expect([status[error.code], error.details]).toEqual(['ABORTED', expect.stringContaining('connectVolume')]);
    await node.csi.unstage(pod.unstage);
    await node.csi.stage(pod.stage);
    await volume.end(node);
  });

  it('unmounts what is stacked, and never deletes a file in a target', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    writeFileSync(path.join(pod.targetPath, 'data'), 'precious');
    execFileSync('mount', ['--bind', pod.stagingTargetPath, pod.targetPath]);
    await node.csi.unpublish(pod.unpublish);
    expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath]);
    expect(readFileSync(path.join(pod.stagingTargetPath, 'data'), 'utf8')).toBe('precious');
    const target = volume.on(node).targetPath;
    execFileSync('mkdir', ['-p', target]);
    writeFileSync(path.join(target, 'other'), 'precious too');
    const error = await errorOf(node.csi.unpublish(pod.unpublish));
    expect(status[error.code]).toBe('FAILED_PRECONDITION');
    expect(readFileSync(path.join(target, 'other'), 'utf8')).toBe('precious too');
    execFileSync('rm', [path.join(target, 'other')]);
    await volume.end(node);
  });

  it.each<[string, (pod: Pod) => Promise<unknown>, keyof typeof status, string]>([
    [
      'stage at a relative path',
      (pod) => node.csi.stage({ ...pod.stage, stagingTargetPath: 'a/b' }),
      'INVALID_ARGUMENT',
      'staging_target_path',
    ],
    [
      'stage outside of the kubelet’s folder',
      (pod) => node.csi.stage({ ...pod.stage, stagingTargetPath: '/etc' }),
      'INVALID_ARGUMENT',
      'staging_target_path',
    ],
    [
      'stage with .. in its path',
      (pod) => node.csi.stage({ ...pod.stage, stagingTargetPath: `${node.kubeletDir}/../x` }),
      'INVALID_ARGUMENT',
      'staging_target_path',
    ],
    [
      'stage without a context',
      (pod) => node.csi.stage({ ...pod.stage, volumeContext: {} }),
      'INVALID_ARGUMENT',
      'volume_context',
    ],
    [
      'stage with a mount option that escapes',
      (pod) =>
        node.csi.stage({
          ...pod.stage,
          volumeCapability: {
            ...mountOf(),
            accessType: { $case: 'mount', value: { fsType: 'ext4', mountFlags: ['suid'], volumeMountGroup: '' } },
          },
        }),
      'INVALID_ARGUMENT',
      'mount_flags',
    ],
    [
      'stage with options of mkfs that name files',
      (pod) =>
        node.csi.stage({
          ...pod.stage,
          volumeContext: { ...pod.stage.volumeContext, mkfsOptions: '-J device=/dev/sda' },
        }),
      'INVALID_ARGUMENT',
      'mkfsOptions',
    ],
    ['publish of what is not staged', (pod) => node.csi.publish(pod.publish), 'FAILED_PRECONDITION', 'not staged'],
    [
      'statistics of what is not there',
      (pod) => node.csi.stats({ volumeId: pod.stage.volumeId, volumePath: pod.targetPath }),
      'NOT_FOUND',
      'is not at',
    ],
    ['growth of what is not staged', (pod) => node.csi.expand(pod.expand), 'FAILED_PRECONDITION', 'not connected'],
    ['stage of no volume of ours', (pod) => node.csi.stage({ ...pod.stage, volumeId: 'other' }), 'NOT_FOUND', 'other'],
  ])('refuses %s', async (_fact, call, code, words) => {
    const volumeId = newName();
    const stagingTargetPath = path.join(node.kubeletDir, 'plugins', volumeId);
    const targetPath = path.join(node.kubeletDir, 'pods', volumeId);
    const nqn = `nqn.2000-02.com.mikrotik:${volumeId}`;
    const volumeContext = { nqn, nvmeAddress: '127.0.0.1', nvmePort: '4420', volumePath: '/storage-pool/metal-csi' };
    const stage = { volumeId, stagingTargetPath, volumeContext, volumeCapability: mountOf() };
    const expand = { volumeId, volumePath: targetPath, stagingTargetPath };
    const error = await errorOf(call({ stage, publish: { ...stage, targetPath }, targetPath, expand }));
    expect([status[error.code], error.details]).toEqual([code, expect.stringContaining(words)]);
  });
});

interface Pod {
  readonly stage: Parameters<Node['csi']['stage']>[0] & {
    readonly volumeId: string;
    readonly volumeContext: Record<string, string>;
  };
  readonly publish: Parameters<Node['csi']['publish']>[0];
  readonly expand: Parameters<Node['csi']['expand']>[0];
  readonly targetPath: string;
}
