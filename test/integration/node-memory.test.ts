import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { createPodVolume, isRoot } from '../kit/pod';
import { blockOf } from '../kit/requests';

const MIB = 2 ** 20;
const VOLUMES = 20;
const AT_ONCE = 4;
/** Until then it still loads what it needs: 15 MiB in 200 rounds, of which 6 to 10 in the second hundred. */
const WARM_UP_ROUNDS = 200;
const ROUNDS = 100;
/** Rounds at the end that are looked at: garbage comes and goes, what is kept stays. */
const LOOKED_AT = 40;
/** What a collection finds or leaves makes some of it; a leak of 80 KiB a round makes all of it. */
const MOST_GROWTH_MIB = 8;

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

  it('that has staged and unstaged 200 times does not grow by doing so again', async () => {
    const volumes = await Promise.all(Array.from({ length: VOLUMES }, () => createPodVolume(driver, blockOf())));
    const pods = volumes.map((volume) => volume.on(node));
    /** Each pod by one at a time. Returns the least that the node had in the last rounds, in MiB. */
    const stageAndUnstage = async (rounds: number): Promise<number> => {
      const seen: number[] = [];
      const work = async (first: number): Promise<void> => {
        for (let round = first; round < rounds; round += AT_ONCE) {
          const pod = pods[round % VOLUMES];
          if (!pod) throw new Error('no volume');
          await node.csi.stage(pod.stage);
          await node.csi.unstage(pod.unstage);
          if (round >= rounds - LOOKED_AT) seen.push(residentBytesOf(node.program.pid));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, (_, first) => work(first)));
      return Math.min(...seen) / MIB;
    };
    const before = await stageAndUnstage(WARM_UP_ROUNDS);
    const after = await stageAndUnstage(ROUNDS);
    for (const volume of volumes) await volume.end(node);
    expect(before).toBeGreaterThan(0);
    expect(after - before).toBeLessThanOrEqual(MOST_GROWTH_MIB);
  });
});

function residentBytesOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kib === undefined) throw new Error(`no VmRSS of ${pid}`);
  return Number(kib) * 1024;
}
