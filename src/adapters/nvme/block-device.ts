import { type DeviceNumbers, findDeviceNumbers, findSizeBytes } from '../../domain/nvme-sysfs';
import type { Bytes } from '../../domain/size';
import { findAttribute } from './sysfs';

/** Where the kernel's tables and device nodes are. Tests hand in their own. */
export interface DeviceTree {
  /** `/sys`. */
  readonly sysRoot: string;
  /** `/dev`. */
  readonly devRoot: string;
  /** Numbers of the block device node at a path; undefined: there is none. */
  readonly nodeNumbersOf: (path: string) => Promise<DeviceNumbers | undefined>;
}

/** A block device of the kernel's table. */
export interface BlockDevice extends DeviceNumbers {
  /** `nvme0n1`. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: Bytes;
}

/** A device that can be used, or why it cannot, yet. */
export type SeenDevice =
  | { readonly kind: 'usable'; readonly device: BlockDevice }
  | { readonly kind: 'unusable'; readonly why: string };

/** What is of the block device of this name: usable once it has numbers, a size, and a node that is its own. */
export async function lookAtDevice(tree: DeviceTree, name: string): Promise<SeenDevice> {
  const folder = `${tree.sysRoot}/block/${name}`;
  const path = `${tree.devRoot}/${name}`;
  const unusable = (why: string): SeenDevice => ({ kind: 'unusable', why });
  const dev = await findAttribute(`${folder}/dev`);
  const size = await findAttribute(`${folder}/size`);
  if (dev === undefined || size === undefined) return unusable(`${name} is not in ${tree.sysRoot}/block`);
  const numbers = findDeviceNumbers(dev);
  const sizeBytes = findSizeBytes(size);
  if (!numbers || sizeBytes === undefined) return unusable(`${name} has no readable numbers or size`);
  if (sizeBytes === 0n) return unusable(`${name} has a size of 0`);
  const node = await tree.nodeNumbersOf(path);
  if (!node) return unusable(`there is no block device node ${path}`);
  if (node.major !== numbers.major || node.minor !== numbers.minor) {
    const { major, minor } = numbers;
    return unusable(`${path} is ${node.major}:${node.minor}, and ${name} is ${major}:${minor}`);
  }
  return { kind: 'usable', device: { name, path, ...numbers, sizeBytes } };
}
