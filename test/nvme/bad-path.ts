import { status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { errorOf } from '../kit/driver';
import { createPodVolume, mountsOf } from '../kit/pod';
import { mountOf } from '../kit/requests';
import { targetOf } from './kernel';
import { controllersOf, deviceOf, end, untilDone } from './kit';
import type { World } from './world';

/** Enough for a try, here too; the workflow goes on trying. */
const PATIENCE_MS = 30_000;
const MIB_64 = 2n ** 26n;

const hostOf = (volumeId: string) =>
  [...controllersOf(volumeId), deviceOf(volumeId), ...mountsOf(volumeId)].filter(Boolean);

/** Faults on the way to a volume's data while it is staged. */
export function badPathTests(world: World): void {
  describe('a data path that does not work', () => {
    it.each([
      {
        what: 'a target that does not let the node in',
        says: /refused: either the host nqn\.\S+ is not allowed, or no such NQN is exported/,
        context: {},
        break: (volumeId: string) => targetOf(volumeId).allowAnyHost(false),
        mend: (volumeId: string) => targetOf(volumeId).allowAnyHost(true),
      },
      {
        what: 'a port at which nothing listens',
        says: /127\.0\.0\.1:4998: nothing listens there/,
        context: { nvmePort: '4998' },
      },
      {
        what: 'an NQN that is not exported',
        says: /refused: either the host .* or no such NQN is exported/,
        context: (volumeId: string) => ({ nqn: `nqn.2001-03.org.example:${volumeId}` }),
      },
      {
        what: 'an export without a device',
        says: /no device that can be used after 30 s: .*no namespace/,
        context: {},
        patienceMs: 60_000,
        break: (volumeId: string) => targetOf(volumeId).enable(false),
        mend: (volumeId: string) => targetOf(volumeId).enable(true),
      },
    ])('$what: the stage waits, says why, leaves nothing, and ends well once it is mended', async (fault) => {
      const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
      const { volumeId } = volume;
      const pod = volume.on(world.node);
      const context = typeof fault.context === 'function' ? fault.context(volumeId) : fault.context;
      const stage = { ...pod.stage, volumeContext: { ...pod.stage.volumeContext, ...context } };
      fault.break?.(volumeId);
      const error = await errorOf(world.node.csi.stage(stage, fault.patienceMs ?? PATIENCE_MS));
      expect([status[error.code], error.details]).toEqual(['ABORTED', expect.stringMatching(fault.says)]);
      expect(error.details).toContain(volumeId);
      // The kubelet gives up: its unstage takes the place of the stage.
      await untilDone(() => world.node.csi.unstage(pod.unstage));
      expect(hostOf(volumeId)).toEqual([]);
      fault.mend?.(volumeId);
      await untilDone(() => world.node.csi.stage(pod.stage));
      expect(mountsOf(volumeId)).toEqual([pod.stagingTargetPath]);
      await end(volume, world.node);
    });

    it.each([
      {
        what: 'mkfs fails',
        context: { mkfsOptions: '-b 3000' },
        flags: [],
        code: 'INTERNAL',
        says: /mkfs\.ext4 ended with exit code 1.*blocksize/,
      },
      {
        what: 'mount fails',
        context: {},
        flags: ['journal_async_commit', 'data=ordered'],
        code: 'INTERNAL',
        says: /mount/,
      },
      {
        what: 'a mount option is unknown',
        context: {},
        flags: ['no-such-option'],
        code: 'INVALID_ARGUMENT',
        says: /no-such-option/,
      },
    ])(
      '$what: the stage fails, says which step of which volume, and leaves nothing',
      async ({ context, flags, code, says }) => {
        const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
        const pod = volume.on(world.node);
        const capability = mountOf(Mode.SINGLE_NODE_WRITER, 'ext4');
        const mount = { ...capability.accessType.value, mountFlags: flags };
        const stage = {
          ...pod.stage,
          volumeContext: { ...pod.stage.volumeContext, ...context },
          volumeCapability: { ...capability, accessType: { $case: 'mount', value: mount } as const },
        };
        const error = await errorOf(untilDone(() => world.node.csi.stage(stage)));
        expect([status[error.code], error.details]).toEqual([code, expect.stringMatching(says)]);
        if (code === 'INTERNAL') expect(error.details).toContain(volume.volumeId);
        expect(hostOf(volume.volumeId)).toEqual([]);
        await untilDone(() => world.node.csi.stage(pod.stage));
        await end(volume, world.node);
      },
    );
  });
}
