import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import type { Driver, Node } from '../kit/driver';
import { type createPodVolume, mountsOf } from '../kit/pod';

/** Everything here is the guest's own kernel: no other machine may run it. */
if (process.env.RDS_CSI_GUEST === undefined) throw new Error('these tests run in their guest alone: npm run test:nvme');

/** Flags of a simulated RDS that nodes can really connect to. */
export const REAL_EXPORTS: readonly string[] = ['--exports=nvmet'];

/** A node process that connects over NVMe/TCP. */
export function startNvmeNode(driver: Driver, nodeId: string): Promise<Node> {
  return driver.startNode(nodeId, { config: { connector: 'nvme', loopBackingDir: undefined } });
}

type PodVolume = Awaited<ReturnType<typeof createPodVolume>>;

/** Attached, staged and published on the node, as the kubelet asks for it. */
export async function attach(driver: Driver, volume: PodVolume, node: Node, nodeId: string) {
  const pod = volume.on(node);
  const { volumeId, volumeCapability } = pod.stage;
  await driver.csi.publishVolume({ volumeId, nodeId, volumeCapability });
  await node.csi.stage(pod.stage);
  await node.csi.publish(pod.publish);
  return pod;
}

/** Given back in the kubelet's order, deleted, and nothing of it left in any table of the kernel. */
export async function end(volume: PodVolume, node: Node): Promise<void> {
  await volume.end(node);
  expect(tracesInKernel(volume.volumeId)).toEqual([]);
}

/** What the kernel has of a volume: as a host, as a target, and mounted. */
export function tracesInKernel(volumeId: string): readonly string[] {
  const subsystems = entries('/sys/class/nvme-subsystem').filter((file) => nqnIn(file).includes(volumeId));
  const controllers = entries('/sys/class/nvme').filter((file) => nqnIn(file).includes(volumeId));
  const targets = entries('/sys/kernel/config/nvmet/subsystems').filter((file) => file.includes(volumeId));
  return [...subsystems, ...controllers, ...targets, ...mountsOf(volumeId)];
}

/** The controller that the kernel has for a volume, and its state now; undefined: none. */
export function stateOf(volumeId: string): string | undefined {
  const controller = entries('/sys/class/nvme').find((file) => nqnIn(file).includes(volumeId));
  return controller === undefined ? undefined : attribute(path.join(controller, 'state'));
}

function nqnIn(folder: string): string {
  return attribute(path.join(folder, 'subsysnqn')) ?? '';
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [];
}

/** Undefined: it went while it was read. */
function attribute(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
