import { setTimeout as delay } from 'node:timers/promises';
import { v4 as uuid } from 'uuid';
import { VolumeCapability_AccessMode_Mode as Mode } from '../csi/generated/csi';
import { formatBytes, GIB } from '../domain/size';
import type { CsiClient } from './csi-client';

/** Where the story is told: a line each. */
export type Tell = (line: string) => void;

interface Stage {
  readonly csi: CsiClient;
  /** The RDS of the story. */
  readonly rds: { stop(): Promise<void>; start(): Promise<void> };
  readonly tell: Tell;
}

interface Step {
  readonly title: string;
  readonly ms: number;
}

const NODE = 'node-a';
const OUTAGE_PATIENCE_MS = 6_000;
const APPEAR_LIMIT_MS = 60_000;
const POLL_INTERVAL_MS = 100;

const MOUNT = {
  accessType: { $case: 'mount', value: { fsType: 'ext4', mountFlags: [], volumeMountGroup: '' } } as const,
  accessMode: { mode: Mode.SINGLE_NODE_WRITER },
};

/** A volume's life, with an outage of the RDS in it. Returns what each step took. Throws where something is not as it should be. */
export async function tellStory({ csi, rds, tell }: Stage): Promise<readonly Step[]> {
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

  await step(`CreateVolume ${volumeId}, ${formatBytes(10n * GIB)}`, () => create(csi, volumeId));
  await step(`ControllerPublishVolume to ${NODE}`, async () => {
    await csi.publishVolume({ volumeId, nodeId: NODE, volumeCapability: MOUNT });
    return `the record on the disk names ${NODE}`;
  });
  await step(`ControllerExpandVolume to ${formatBytes(20n * GIB)}`, async () => {
    const range = { requiredBytes: 20n * GIB };
    const grown = await csi.expandVolume({ volumeId, capacityRange: range, volumeCapability: MOUNT });
    return `it has ${formatBytes(grown.capacityBytes)} now`;
  });
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

async function create(csi: CsiClient, name: string): Promise<string> {
  const capacityRange = { requiredBytes: 10n * GIB };
  const { volume } = await csi.createVolume({ name, capacityRange, volumeCapabilities: [MOUNT] });
  return `made, ${formatBytes(volume?.capacityBytes ?? 0n)}, exported as ${volume?.volumeContext.nqn}`;
}

/** A create that cannot be done in time. Throws if it can. */
async function createInVain(csi: CsiClient, name: string): Promise<string> {
  try {
    await csi.createVolume({ name, volumeCapabilities: [MOUNT] }, OUTAGE_PATIENCE_MS);
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
