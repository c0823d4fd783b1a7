import { setTimeout as delay } from 'node:timers/promises';
import { v4 as uuid } from 'uuid';
import { VolumeCapability_AccessMode_Mode as Mode } from '../csi/generated/csi';
import { formatBytes, GIB } from '../domain/size';
import type { CsiClient } from './csi-client';
import { createPod, type Pod } from './demo-pod';
import type { EmbeddedNode } from './embedded-node';

/** Where the story is told: a line each. */
export type Tell = (line: string) => void;

interface Stage {
  readonly csi: CsiClient;
  /** The RDS of the story. */
  readonly rds: { stop(): Promise<void>; start(): Promise<void> };
  /** Undefined: the story leaves out what happens on a node. */
  readonly node: EmbeddedNode | undefined;
  readonly tell: Tell;
}

interface Step {
  readonly title: string;
  readonly ms: number;
}

const NODE = 'node-a';
const FIRST_BYTES = 10n * GIB;
const GROWN_BYTES = 20n * GIB;
const OUTAGE_PATIENCE_MS = 6_000;
const APPEAR_LIMIT_MS = 60_000;
const POLL_INTERVAL_MS = 100;

/** A volume's life, with an outage of the RDS in it. Returns what each step took. Throws where something is not as it should be. */
export async function tellStory({ csi, rds, node, tell }: Stage): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const step = async (title: string, act: () => Promise<string>): Promise<void> => {
    tell(`• ${title} …`);
    const begun = performance.now();
    const outcome = await act();
    const ms = performance.now() - begun;
    steps.push({ title, ms });
    tell(`  ${outcome} (${formatMs(ms)})`);
  };
  const volumeId = `pvc-${uuid()}`;
  const second = `pvc-${uuid()}`;
  const volumeCapability = mountOf(node?.fileSystem ?? 'ext4');
  const pod = node && createPod(node, { volumeId, volumeCapability });

  await step(`CreateVolume ${volumeId}, ${formatBytes(FIRST_BYTES)}`, async () => {
    const { volume } = await csi.createVolume({
      name: volumeId,
      capacityRange: { requiredBytes: FIRST_BYTES },
      volumeCapabilities: [volumeCapability],
    });
    pod?.learn(volume?.volumeContext ?? {});
    return `made, ${formatBytes(volume?.capacityBytes ?? 0n)}, exported as ${volume?.volumeContext.nqn}`;
  });
  await step(`ControllerPublishVolume to ${NODE}`, async () => {
    await csi.publishVolume({ volumeId, nodeId: NODE, volumeCapability });
    return `the record on the disk names ${NODE}`;
  });
  if (pod) await usePod(step, pod);
  await step(`ControllerExpandVolume to ${formatBytes(GROWN_BYTES)}`, async () => {
    const capacityRange = { requiredBytes: GROWN_BYTES };
    const grown = await csi.expandVolume({ volumeId, capacityRange, volumeCapability });
    return `it has ${formatBytes(grown.capacityBytes)} now`;
  });
  if (pod && node?.mayGrow) await step('NodeExpandVolume, under the pod', () => pod.grow(GROWN_BYTES));
  await tellOutage({ csi, rds, step, second });
  if (pod) await step('NodeUnpublishVolume and NodeUnstageVolume', () => pod.leave());
  await step(`ControllerUnpublishVolume from ${NODE}`, async () => {
    await csi.unpublishVolume({ volumeId, nodeId: NODE });
    return 'the record names no node';
  });
  await step('DeleteVolume, both', async () => {
    await Promise.all([csi.deleteVolume({ volumeId }), csi.deleteVolume({ volumeId: second })]);
    const { entries } = await csi.listVolumes({});
    if (entries.length > 0) throw new Error(`${entries.length} volumes are left on the RDS`);
    return 'disks and files are gone';
  });
  return steps;
}

type TakeStep = (title: string, act: () => Promise<string>) => Promise<void>;

async function usePod(step: TakeStep, pod: Pod): Promise<void> {
  await step('NodeStageVolume: connect, make a file system, mount', () => pod.stage());
  await step('NodePublishVolume: bind into the pod', () => pod.publish());
  await step('the pod writes a file, and reads it back', () => pod.write());
}

interface Outage {
  readonly csi: CsiClient;
  readonly rds: Stage['rds'];
  readonly step: TakeStep;
  readonly second: string;
}

async function tellOutage({ csi, rds, step, second }: Outage): Promise<void> {
  await step('the RDS goes away', async () => {
    await rds.stop();
    return 'its SSH server is stopped, all connections are cut';
  });
  await step(`CreateVolume ${second}, with ${OUTAGE_PATIENCE_MS / 1000} s of patience`, () =>
    createInVain(csi, second),
  );
  await step('the RDS comes back; nobody calls again', async () => {
    await rds.start();
    await appears(csi, second);
    return `the workflow has made ${second} by itself`;
  });
}

function mountOf(fsType: string) {
  return {
    accessType: { $case: 'mount', value: { fsType, mountFlags: [], volumeMountGroup: '' } } as const,
    accessMode: { mode: Mode.SINGLE_NODE_WRITER },
  };
}

/** A create that cannot be done in time. Throws if it can. */
async function createInVain(csi: CsiClient, name: string): Promise<string> {
  try {
    await csi.createVolume({ name, volumeCapabilities: [mountOf('ext4')] }, OUTAGE_PATIENCE_MS);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('10 ABORTED')) return `answered ${error.message.slice(3)}`;
    throw error;
  }
  throw new Error(`CreateVolume ${name} was answered although the RDS is away`);
}

async function appears(csi: CsiClient, name: string): Promise<void> {
  const deadline = performance.now() + APPEAR_LIMIT_MS;
  for (;;) {
    const found = await csi.getVolume({ volumeId: name }).then(
      () => true,
      () => false,
    );
    if (found) return;
    if (performance.now() > deadline)
      throw new Error(`${name} has not appeared ${APPEAR_LIMIT_MS / 1000} s after the outage`);
    await delay(POLL_INTERVAL_MS);
  }
}

export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
