import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TemporalServer } from '../../temporal/server';
import { type Driver, errorOf, type Node, startDriver, waitFor } from '../kit/driver';
import { createPodVolume, filesOf, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { blockOf, createOf, mountOf, newName } from '../kit/requests';
import { firstOf, holdAll, IN_THE_MIDDLE, releaseAll, untilOk, verifyAll } from '../kit/step-cases';
import { createSteps } from '../kit/steps';
import { startOwnTemporal } from '../kit/temporal';

let folder: string;
let temporal: TemporalServer;
let driver: Driver;

const configOf = ({ address }: TemporalServer) => ({ temporalAddress: address, temporalNamespace: 'default' });

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-temporal-crash-'));
  temporal = await startOwnTemporal({ dbFilename: path.join(folder, 'temporal.db') });
  driver = await startDriver({ config: configOf(temporal) });
});

afterAll(async () => {
  await driver.stop();
  await temporal.stop();
  rmSync(folder, { recursive: true });
});

/** As a crash would: its database stays as it is at that moment. */
async function kill(): Promise<void> {
  const { pid } = temporal;
  if (pid === undefined) throw new Error('no server of our own');
  process.kill(pid, 'SIGKILL');
  await temporal.stop();
}

async function restart(): Promise<void> {
  const port = Number(temporal.address.split(':')[1]);
  temporal = await startOwnTemporal({ dbFilename: path.join(folder, 'temporal.db'), port });
}

describe('Temporal killed with -9', () => {
  it('in the middle of a create: the repeated call ends well, with one disk', async () => {
    const name = newName();
    await driver.rds.setLatency({ allocation: 4_000 });
    const lost = driver.csi.createVolume(createOf(name), 20_000).catch(() => 'lost');
    await waitFor(
      async () => (await driver.rds.scripts()).some(({ script }) => script.includes(name)),
      () => 'the command was not sent',
    );
    await kill();
    await restart();
    await lost;
    await driver.rds.heal();
    await untilOk(() => driver.csi.createVolume(createOf(name), 20_000));
    const { disks, files } = await driver.rds.traces(name);
    expect([disks.length, files.length]).toEqual([1, 1]);
    const added = (await driver.rds.scripts()).flatMap(({ commands }) =>
      commands.filter(({ command }) => command === 'add'),
    );
    expect(added).toHaveLength(1);
  });
});

(isRoot ? describe : describe.skip)('a node while Temporal', () => {
  const steps = createSteps();
  let node: Node;

  beforeAll(async () => {
    node = await driver.startNode('node-a', { config: configOf(temporal), env: steps.env });
  });

  afterAll(() => steps.close());

  it('is killed with -9 in the middle of each operation: the repeated calls end well, and nothing stays behind', async () => {
    const outcomes = await holdAll(IN_THE_MIDDLE, { place: driver, node, steps });
    await kill();
    await releaseAll(outcomes);
    expect(await firstOf(outcomes, 'publish', 'unpublish')).toEqual(['publish: OK', 'unpublish: OK']);
    await restart();
    await verifyAll(outcomes, node);
  });

  it('is away: publishes, unpublishes and looks at what is staged, says UNAVAILABLE to the rest within 5 s, which works after', async () => {
    const [volume, block, unstaged] = [
      await createPodVolume(driver, mountOf(undefined, 'xfs')),
      await createPodVolume(driver, blockOf()),
      await createPodVolume(driver),
    ];
    const pods = [volume.on(node), block.on(node)];
    const last = unstaged.on(node);
    for (const { stage } of pods) await node.csi.stage(stage);
    await kill();

    for (let round = 0; round < 2; round += 1) {
      for (const { publish, unpublish, stage, targetPath, stagingTargetPath } of pods) {
        await node.csi.publish(publish);
        const { usage, volumeCondition } = await node.csi.stats({
          volumeId: stage.volumeId,
          volumePath: targetPath,
          stagingTargetPath,
        });
        expect([Number(usage[0]?.total) > 0, volumeCondition?.abnormal]).toEqual([true, false]);
        if (targetPath === pods[0]?.targetPath) {
          writeFileSync(path.join(targetPath, `round-${round}`), 'precious');
          expect(readdirSync(targetPath)).toHaveLength(round + 1);
        }
        await node.csi.unpublish(unpublish);
        expect(existsSync(targetPath)).toBe(false);
      }
    }
    const [pod] = pods;
    if (!pod) throw new Error('no pod');
    await node.csi.publish(pod.publish);
    const refused = {
      stage: () => node.csi.stage(last.stage),
      'stage of what is staged': () => node.csi.stage(pod.stage),
      expand: () => node.csi.expand(pod.expand),
      unstage: () => node.csi.unstage(pods[1]?.unstage ?? {}),
    };
    for (const [name, call] of Object.entries(refused)) {
      const begun = performance.now();
      const error = await errorOf(call());
      expect([name, status[error.code], error.details]).toEqual([
        name,
        'UNAVAILABLE',
        expect.stringContaining('Temporal'),
      ]);
      expect(performance.now() - begun).toBeLessThan(5_000);
    }
    // Nothing was done by halves.
    expect([mountsOf(unstaged.volumeId), loopsOf(unstaged.volumeId), filesOf(unstaged.volumeId, node)]).toEqual([
      [],
      [],
      [],
    ]);
    expect(mountsOf(volume.volumeId)).toEqual([pod.stagingTargetPath, pod.targetPath]);

    await restart();
    for (const call of Object.values(refused)) await untilOk(call);
    await node.csi.publish(last.publish);
    for (const each of [volume, block, unstaged]) await each.end(node);
  });
});
