import { appendFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { errorOf } from '../kit/driver';
import { createPodVolume, mountsOf } from '../kit/pod';
import { GIB, mountOf } from '../kit/requests';
import { fillFolder, targetOf } from './kernel';
import { controllersOf, end, hostTracesOf, untilAborted, untilDone } from './kit';
import type { World } from './world';

/** Enough for a try, here too; the workflow goes on trying. */
const PATIENCE_MS = 30_000;
const MIB_64 = 2n ** 26n;

const PASSING_FAULTS: Readonly<Record<string, PassingFault>> = {
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
};

interface PassingFault {
  readonly says: RegExp;
  readonly contextOf?: (volumeId: string) => Readonly<Record<string, string>>;
  readonly spoil?: (volumeId: string) => void;
  readonly mend?: (volumeId: string) => void;
}

const FINAL_FAULTS: Readonly<Record<string, FinalFault>> = {
  'mkfs fails': {
    context: { mkfsOptions: '-I 8192' },
    flags: [],
    code: 'INTERNAL',
    says: /mkfs\.ext4 ended with exit code 1.*invalid inode size/,
  },
  'mount fails': {
    context: {},
    flags: ['journal_async_commit', 'data=ordered'],
    code: 'INTERNAL',
    says: /mount -i .*ended with exit code/,
  },
  'a mount option is unknown': {
    context: {},
    flags: ['no-such-option'],
    code: 'INVALID_ARGUMENT',
    says: /no-such-option/,
  },
};

interface FinalFault {
  readonly context: Readonly<Record<string, string>>;
  readonly flags: string[];
  readonly code: string;
  readonly says: RegExp;
}

type Case = readonly [name: string, run: () => Promise<void>];

/** Faults on the way to a volume's data while it is staged, each on a volume of its own. */
export function badPathTests(world: World): void {
  const cases: readonly Case[] = [
    ...Object.entries(PASSING_FAULTS).map(
      ([what, fault]): Case => [
        `${what}: the stage waits, says why, leaves nothing, and ends well once it is mended`,
        () => meetPassingFault(world, fault),
      ],
    ),
    ...Object.entries(FINAL_FAULTS).map(
      ([what, fault]): Case => [
        `${what}: the stage fails, says which step of which volume, and leaves nothing`,
        () => meetFinalFault(world, fault),
      ],
    ),
    [
      'the node’s own disk is full: the stage fails before anything is done, says of which file, and goes well once there is room',
      () => meetFullNode(world),
    ],
    ['a volume that is full is in order, says so, and goes on when it has grown', () => meetFullVolume(world)],
  ];

  describe('a data path that does not work', () => {
    const running = new Map<string, Promise<void>>();

    // All at the same time: most of it is waiting.
    beforeAll(() => {
      for (const [name, run] of cases) {
        const outcome = run();
        // Its own test tells.
        outcome.catch(() => undefined);
        running.set(name, outcome);
      }
    });

    it.each(cases)('%s', async (name) => {
      await expect(running.get(name)).resolves.toBeUndefined();
    });
  });
}

async function meetPassingFault(world: World, fault: PassingFault): Promise<void> {
  const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
  const { volumeId } = volume;
  const pod = volume.on(world.node);
  const volumeContext = { ...pod.stage.volumeContext, ...fault.contextOf?.(volumeId) };
  fault.spoil?.(volumeId);
  const told = await untilAborted(() => world.node.csi.stage({ ...pod.stage, volumeContext }, PATIENCE_MS), fault.says);
  expect(told).toContain(volumeId);
  // The kubelet gives up: its unstage takes the place of the stage.
  await untilDone(() => world.node.csi.unstage(pod.unstage));
  expect(hostTracesOf(volumeId)).toEqual([]);
  fault.mend?.(volumeId);
  await untilDone(() => world.node.csi.stage(pod.stage));
  expect(mountsOf(volumeId)).toEqual([pod.stagingTargetPath]);
  await end(volume, world.node);
}

async function meetFinalFault(world: World, { context, flags, code, says }: FinalFault): Promise<void> {
  const volume = await createPodVolume(world.driver, mountOf(), MIB_64);
  const pod = volume.on(world.node);
  const stage = {
    ...pod.stage,
    volumeContext: { ...pod.stage.volumeContext, ...context },
    volumeCapability: mountOf(Mode.SINGLE_NODE_WRITER, 'ext4', flags),
  };
  const error = await errorOf(untilDone(() => world.node.csi.stage(stage)));
  expect([status[error.code], error.details]).toEqual([code, expect.stringMatching(says)]);
  expect(error.details).toContain(volume.volumeId);
  expect(hostTracesOf(volume.volumeId)).toEqual([]);
  await untilDone(() => world.node.csi.stage(pod.stage));
  await end(volume, world.node);
}

async function meetFullNode(world: World): Promise<void> {
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
}

async function meetFullVolume(world: World): Promise<void> {
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
}

/** Writes on until the file has so much, to the disk. */
function appendUntil(file: string, sizeBytes: bigint): void {
  const block = Buffer.alloc(2 ** 20, 'x');
  while (statSync(file).size < sizeBytes) appendFileSync(file, block, { flush: true });
}
