import { status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import type { Driver } from './driver';
import { createOf, GIB, newName, publishOf } from './requests';

const PATIENT_MS = 170_000;
/** Where each reply is lost in a round of its own, that is five rounds of 20 s and a back-off each. */
export const LOST_REPLIES_LIMIT_MS = 400_000;

/** Repeated as the sidecars repeat it, while it is under way. */
export async function untilEnded(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const error: unknown = await call().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error === undefined) return;
    if (!(error instanceof Error && 'code' in error && error.code === status.ABORTED)) throw error;
  }
}

/**
 * Each operation at once, the first reply of each lost: the connection is cut before or after its script took effect, and with
 * it what the others were waiting for. All must end right, with no second effect.
 */
export async function loseReplies(driver: Driver, when: 'before' | 'after'): Promise<void> {
  const { csi, rds } = driver;
  const names = { made: newName(), grown: newName(), attached: newName(), held: newName(), gone: newName() };
  const old = [names.grown, names.attached, names.held, names.gone];
  await Promise.all(old.map((name) => csi.createVolume(createOf(name))));
  await csi.publishVolume(publishOf(names.held, 'node-a'));
  for (const name of Object.values(names)) await rds.addFault({ pattern: name, when, mode: 'reset' });
  const before = (await rds.scripts()).length;
  await Promise.all([
    untilEnded(() => csi.createVolume(createOf(names.made), PATIENT_MS)),
    untilEnded(() =>
      csi.expandVolume({ volumeId: names.grown, capacityRange: { requiredBytes: 2n * GIB } }, PATIENT_MS),
    ),
    untilEnded(() => csi.publishVolume(publishOf(names.attached, 'node-a'), PATIENT_MS)),
    untilEnded(() => csi.unpublishVolume({ volumeId: names.held, nodeId: 'node-a' }, PATIENT_MS)),
    untilEnded(() => csi.deleteVolume({ volumeId: names.gone }, PATIENT_MS)),
  ]);
  expect((await rds.state()).faults.map(({ fired }) => fired)).toEqual([1, 1, 1, 1, 1]);
  const sent = (await rds.scripts()).slice(before).flatMap(({ commands }) => commands);
  const effects = (menu: string, command: string, name = '') =>
    sent.filter((one) => one.menu === menu && one.command === command && one.text.includes(name)).length;
  expect(effects('/disk', 'add')).toBe(1);
  expect(effects('/disk', 'remove')).toBe(1);
  expect(effects('/disk', 'set', 'file-size=')).toBe(1);
  expect(effects('/disk', 'set', 'nodes=node-a')).toBe(1);

  const countsOf = async (name: string) => {
    const { disks, files } = await rds.traces(name);
    return [disks.length, files.length];
  };
  expect(await countsOf(names.made)).toEqual([1, 1]);
  expect(await countsOf(names.gone)).toEqual([0, 0]);
  expect((await csi.getVolume({ volumeId: names.grown })).volume?.capacityBytes).toBe(2n * GIB);
  expect((await csi.getVolume({ volumeId: names.attached })).status?.publishedNodeIds).toEqual(['node-a']);
  expect((await csi.getVolume({ volumeId: names.held })).status?.publishedNodeIds).toEqual([]);
}
