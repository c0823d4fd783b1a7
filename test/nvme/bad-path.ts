import { appendFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { errorOf } from '../kit/driver';
import { createPodVolume, mountsOf } from '../kit/pod';
import { GIB, mountOf } from '../kit/requests';
import { fillFolder, targetOf } from './kernel';
import { controllersOf, end, failuresOf, hostTracesOf, untilAborted, untilDone } from './kit';
import type { World } from './world';

/** Enough for a try, here too; the workflow goes on trying. */
const PATIENCE_MS = 30_000;
const MIB_64 = 2n ** 26n;

/** Each on a volume of its own, at the same time: most of it is waiting. */
const PASSING_FAULTS = {
  'a target that does not let the node in': {
    says: /refused: either the host nqn\.\S+ is not allowed, or no such NQN is exported/,
    spoil: (volumeId: string) => targetOf(volumeId).allowAnyHost(false),
    mend: (volumeId: string) => targetOf(volumeId).allowAnyHost(true),
  },
  'a port at which nothing listens': {
    says: /127\.0\.0\.1:4998: nothing listens there/,
    contextOf: () => ({ nvmePort: '4998' }),
  },
  'an NQN that is not exported': {
    says: /refused: either the host .* or no such NQN is exported/,
    contextOf: (volumeId: string) => ({ nqn: `nqn.2001-03.org.example:${volumeId}` }),
  },
  'an export without a device': {
    says: /no device that can be used after 30 s: .*no namespace/,
    spoil: (volumeId: string) => targetOf(volumeId).enable(false),
    mend: (volumeId: string) => targetOf(volumeId).enable(true),
  },
} satisfies Record<string, PassingFault>;

interface PassingFault {
  readonly says: RegExp;
  readonly contextOf?: (volumeId: string) => Readonly<Record<string, string>>;
  readonly spoil?: (volumeId: string) => void;
  readonly mend?: (volumeId: string) => void;
}

const FINAL_FAULTS = [
  {
    context: { mkfsOptions: '-I 8192' },
    flags: [],
    code: 'INTERNAL',
    says: /mkfs\.ext4 ended with exit code 1.*invalid inode size/,
  },
  { context: {}, flags: ['journal_async_commit', 'data=ordered'], code: 'INTERNAL', says: /mount/ },
  { context: {}, flags: ['no-such-option'], code: 'INVALID_ARGUMENT', says: /no-such-option/ },
];

/** Faults on the way to a volume's data while it is staged. */
export function badPathTests(world: World): void {
  const meet = async (fault: PassingFault): Promise<void> => {
    const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
    const { volumeId } = volume;
    const pod = volume.on(world.node);
    const volumeContext = { ...pod.stage.volumeContext, ...fault.contextOf?.(volumeId) };
    fault.spoil?.(volumeId);
    const told = await untilAborted(
      () => world.node.csi.stage({ ...pod.stage, volumeContext }, PATIENCE_MS),
      fault.says,
    );
    expect(told).toContain(volumeId);
    // The kubelet gives up: its unstage takes the place of the stage.
    await untilDone(() => world.node.csi.unstage(pod.unstage));
    expect(hostTracesOf(volumeId)).toEqual([]);
    fault.mend?.(volumeId);
    await untilDone(() => world.node.csi.stage(pod.stage));
    expect(mountsOf(volumeId)).toEqual([pod.stagingTargetPath]);
    await end(volume, world.node);
  };

  describe('a data path that does not work', () => {
    it(`${Object.keys(PASSING_FAULTS).join('; ')}: the stage waits, says why, leaves nothing, and ends well once it is mended`, async () => {
      const faults: [string, PassingFault][] = Object.entries(PASSING_FAULTS);
      const failures = await failuresOf(
        faults,
        ([what]) => what,
        ([, fault]) => meet(fault),
      );
      expect(failures).toEqual([]);
    });

    it('mkfs fails; mount fails; a mount option is unknown: the stage fails, says which step of which volume, and leaves nothing', async () => {
      const failures = await failuresOf(
        FINAL_FAULTS,
        ({ says }) => `${says}`,
        async ({ context, flags, code, says }) => {
          const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
          const pod = volume.on(world.node);
          const stage = {
            ...pod.stage,
            volumeContext: { ...pod.stage.volumeContext, ...context },
            volumeCapability: mountOf(Mode.SINGLE_NODE_WRITER, 'ext4', flags),
          };
          const error = await errorOf(untilDone(() => world.node.csi.stage(stage)));
          expect([status[error.code], error.details]).toEqual([code, expect.stringMatching(says)]);
          if (code === 'INTERNAL') expect(error.details).toContain(volume.volumeId);
          expect(hostTracesOf(volume.volumeId)).toEqual([]);
          await untilDone(() => world.node.csi.stage(pod.stage));
          await end(volume, world.node);
        },
      );
      expect(failures).toEqual([]);
    });

    it('the node’s own disk is full: the stage fails before anything is done, says of which file, and goes well once there is room', async () => {
      const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
      const { volumeId } = volume;
      const { stage, stagingTargetPath } = volume.on(world.node);
      const free = fillFolder(path.dirname(stagingTargetPath), path.basename(stagingTargetPath));
      try {
        const error = await errorOf(untilDone(() => world.node.csi.stage(stage)));
        expect(status[error.code]).toBe('INTERNAL');
        expect(error.details).toContain(volumeId);
        expect(error.details).toMatch(/cannot be written: .*no space left/i);
        expect(controllersOf(volumeId)).toEqual([]);
      } finally {
        free();
      }
      await untilDone(() => world.node.csi.stage(stage));
      await end(volume, world.node);
    });

    it('a volume that is full is in order, says so, and goes on when it has grown', async () => {
      const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
      const { volumeId } = volume;
      const pod = await world.attach(volume);
      const file = path.join(pod.targetPath, 'data');
      writeFileSync(file, '');
      expect(() => appendUntil(file, GIB)).toThrow(/ENOSPC/);
      const { usage, volumeCondition } = await world.node.csi.stats({ volumeId, volumePath: pod.targetPath });
      expect([usage[0]?.available, volumeCondition?.abnormal]).toEqual([0n, false]);
      const capacityRange = { requiredBytes: 2n * MIB_64 };
      await world.driver.csi.expandVolume({ volumeId, capacityRange });
      await world.node.csi.expand({ ...pod.expand, capacityRange });
      expect(() => appendUntil(file, MIB_64)).not.toThrow();
      await end(volume, world.node);
    });
  });
}

/** Writes on until the file has so much, to the disk. */
function appendUntil(file: string, sizeBytes: bigint): void {
  const block = Buffer.alloc(2 ** 20, 'x');
  while (statSync(file).size < sizeBytes) appendFileSync(file, block, { flush: true });
}
