import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, type Node, startDriver, waitFor } from '../kit/driver';
import { createPodVolume, filesOf, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { blockOf, publishOf } from '../kit/requests';
import { untilOk } from '../kit/step-cases';
import { createSteps, type Step } from '../kit/steps';

let driver: Driver;
let node: Node;
/** Its steps are stopped and failed. */
let shaky: Node;
const steps = createSteps();

type Volume = Awaited<ReturnType<typeof createPodVolume>>;

(isRoot ? describe : describe.skip)('a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    [node, shaky] = await Promise.all([driver.startNode('node-a'), driver.startNode('node-b', { env: steps.env })]);
  });

  afterAll(async () => {
    await driver.stop();
    steps.close();
  });

  it('back from a reboot in the middle of a format stages the volume when it is asked again', async () => {
    const volume = await createPodVolume(driver);
    await killInFormat(volume);
    disconnect(volume.volumeId);
    shaky = await driver.startNode('node-b', { env: steps.env });
    await untilOk(() => shaky.csi.stage(volume.on(shaky).stage, 10_000));
    await shaky.csi.publish(volume.on(shaky).publish);
    await expect(volume.end(shaky)).resolves.toBeUndefined();
  });

  it('that died in a stage, and was detached meanwhile, does not stage by itself what another node has', async () => {
    const volume = await createPodVolume(driver);
    const { volumeId } = volume;
    await driver.csi.publishVolume(publishOf(volumeId, 'node-b'));
    await killInStage(volume, { at: 'losetup', act: 'before', on: `--find *${volumeId}*` });
    // Its machine is off, a person says so, and Kubernetes detaches by force.
    await driver.csi.unpublishVolume({ volumeId, nodeId: 'node-b' });
    await driver.csi.publishVolume(publishOf(volumeId, 'node-a'));
    const here = volume.on(node);
    await node.csi.stage(here.stage);
    await node.csi.publish(here.publish);

    shaky = await driver.startNode('node-b', { env: steps.env });
    await waitFor(
      async () => (await shaky.log()).includes('waits to be asked for it again'),
      async () => `node-b was not given its old stage, or has done it: ${mountsOf(volumeId).join(', ')}`,
    );
    expect(mountsOf(volumeId)).toEqual([here.stagingTargetPath, here.targetPath]);
    expect(loopsOf(volumeId)).toHaveLength(1);
    await shaky.csi.unstage(volume.on(shaky).unstage, 60_000);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it('forgets a format that has written nothing, and never formats what another node has made since', async () => {
    const volume = await createPodVolume(driver);
    await killInFormat(volume);
    shaky = await driver.startNode('node-b', { env: steps.env });
    const [there, here] = [volume.on(shaky), volume.on(node)];
    await shaky.csi.unstage(there.unstage, 60_000);
    expect(filesOf(volume.volumeId, shaky)).toEqual([]);
    await node.csi.stage(here.stage);
    await node.csi.publish(here.publish);
    writeFileSync(path.join(here.targetPath, 'data'), 'precious');
    await node.csi.unpublish(here.unpublish);
    await node.csi.unstage(here.unstage);
    // Its superblock is lost; the copies of it could mend all.
    execFileSync('dd', ['if=/dev/zero', `of=${imageOf(volume)}`, 'bs=1024', 'seek=1', 'count=1', 'conv=notrunc'], {
      stdio: 'pipe',
    });
    const { ino, blocks } = statSync(imageOf(volume));
    const error = await errorOf(shaky.csi.stage(there.stage));
    expect([status[error.code], error.details]).toEqual([
      'FAILED_PRECONDITION',
      expect.stringContaining('never format'),
    ]);
    expect(statSync(imageOf(volume))).toMatchObject({ ino, blocks });
    await expect(volume.end(shaky)).resolves.toBeUndefined();
  });

  it('does not take a raw block volume away for one staging path while a pod has its device node by another', async () => {
    const volume = await createPodVolume(driver, blockOf());
    const pod = volume.on(node);
    await node.csi.stage(pod.stage);
    await node.csi.publish(pod.publish);
    const stagingTargetPath = path.join(path.dirname(pod.stagingTargetPath), 'elsewhere');
    mkdirSync(stagingTargetPath);
    await node.csi.stage({ ...pod.stage, stagingTargetPath });
    const error = await errorOf(node.csi.unstage({ ...pod.unstage, stagingTargetPath }, 3_000));
    expect([status[error.code], error.details]).toEqual(['ABORTED', expect.stringContaining('still published')]);
    expect(loopsOf(volume.volumeId)).toHaveLength(1);
    await node.csi.unpublish(pod.unpublish);
    await node.csi.unstage({ ...pod.unstage, stagingTargetPath }, 20_000);
    await expect(volume.end(node)).resolves.toBeUndefined();
  });

  it.each(['the same', 'another'])(
    'asked to stage under another NQN at %s path refuses, and what is staged stays',
    async (place) => {
      const volume = await createPodVolume(driver);
      const pod = volume.on(node);
      await node.csi.stage(pod.stage);
      await node.csi.publish(pod.publish);
      const nqn = `nqn.2001-03.com.example:other:${volume.volumeId}`;
      const stagingTargetPath = place === 'the same' ? pod.stagingTargetPath : `${pod.stagingTargetPath}-2`;
      const other = { ...pod.stage, stagingTargetPath, volumeContext: { ...pod.stage.volumeContext, nqn } };
      expect(status[(await errorOf(node.csi.stage(other))).code]).toBe('ALREADY_EXISTS');
      expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath, pod.targetPath]);
      expect(loopsOf(volume.volumeId)).toHaveLength(1);
      await node.csi.stage(pod.stage);
      await expect(volume.end(node)).resolves.toBeUndefined();
    },
  );

  it('that has lost a stage which the kubelet believes in tries it at each publish, until it can', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(shaky);
    await shaky.csi.stage(pod.stage);
    execFileSync('umount', [pod.stagingTargetPath]);
    disconnect(volume.volumeId);
    const mount = steps.set({ at: 'mount', act: 'fails', on: `*${volume.volumeId}*` });
    for (const attempt of ['the first', 'the second']) {
      const { details } = await errorOf(shaky.csi.publish(pod.publish));
      expect([attempt, details]).toEqual([attempt, expect.stringContaining('mount -i')]);
      expect([mountsOf(volume.volumeId), loopsOf(volume.volumeId)]).toEqual([[], []]);
    }
    mount.release();
    await shaky.csi.publish(pod.publish);
    expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath, pod.targetPath]);
    await expect(volume.end(shaky)).resolves.toBeUndefined();
  });

  it('does not say of a stage that failed and could not be undone that it is over', async () => {
    const volume = await createPodVolume(driver);
    const pod = volume.on(shaky);
    const mount = steps.set({ at: 'mount', act: 'fails', on: `*${volume.volumeId}*` });
    const detach = steps.set({ at: 'losetup', act: 'fails', on: `--detach *${volume.volumeId}*` });
    const error = await errorOf(shaky.csi.stage(pod.stage));
    expect([status[error.code], error.details]).toEqual([
      'UNAVAILABLE',
      expect.stringMatching(/not staged: .*mount .*could not be undone: .*losetup --detach/),
    ]);
    expect(loopsOf(volume.volumeId)).toHaveLength(1);
    mount.release();
    detach.release();
    await shaky.csi.unstage(pod.unstage);
    await expect(volume.end(shaky)).resolves.toBeUndefined();
  });
});

/** Killed with its mkfs before that has written anything. */
async function killInFormat(volume: Volume): Promise<void> {
  await killInStage(volume, { at: 'mkfs.ext4', act: 'before', on: `*${volume.volumeId}*` });
}

async function killInStage(volume: Volume, at: Step): Promise<void> {
  const step = steps.set(at);
  const lost = shaky.csi.stage(volume.on(shaky).stage, 60_000).catch(() => 'lost');
  await step.reached();
  await shaky.program.kill();
  step.kill();
  await lost;
}

/** What a reboot does. */
function disconnect(volumeId: string): void {
  for (const loop of loopsOf(volumeId)) execFileSync('losetup', ['--detach', `/dev/${loop.split('/')[3]}`]);
}

function imageOf(volume: Volume): string {
  const { volumeId, volumeContext } = volume.on(node).stage;
  return path.join(path.dirname(node.kubeletDir), 'rds/files', volumeContext['volumePath'] ?? '', `${volumeId}.img`);
}
