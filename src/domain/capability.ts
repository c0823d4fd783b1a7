import { Fault } from './fault';
import { type FileSystem, parseFileSystem } from './file-system';
import { parseMountFlag } from './mount-flags';
import { formatUntrusted } from './text';

export type { FileSystem } from './file-system';

/** The access modes that this driver serves, as they stand in records and histories. */
const ACCESS_MODES = [
  'single-node-writer',
  'single-node-single-writer',
  'single-node-multi-writer',
  'single-node-reader-only',
  'multi-node-reader-only',
  'multi-node-multi-writer',
] as const;

/** How many nodes, and how many writers on a node, a volume is attached for. */
export type AccessMode = (typeof ACCESS_MODES)[number];

/** How a volume shall be used: mounted with a file system, or as a raw block device. */
export type VolumeCapability =
  | {
      readonly kind: 'mount';
      readonly fileSystem: FileSystem;
      readonly mountFlags: readonly string[];
      readonly accessMode: AccessMode;
    }
  | { readonly kind: 'block'; readonly accessMode: AccessMode };

/** A CSI VolumeCapability as the wire has it; the access mode by CSI's own name, e.g. `SINGLE_NODE_WRITER`. */
export interface CapabilityInput {
  readonly accessType:
    | {
        readonly kind: 'mount';
        readonly fsType: string;
        readonly mountFlags: readonly string[];
        readonly volumeMountGroup: string;
      }
    | { readonly kind: 'block' }
    | undefined;
  readonly accessMode: string | undefined;
}

type MountInput = Extract<CapabilityInput['accessType'], { readonly kind: 'mount' }>;

/** CSI 1.12, VolumeCapability.AccessMode.Mode. MULTI_NODE_SINGLE_WRITER is missing: nothing could hold the others to reading. */
const MODE_OF_CSI: ReadonlyMap<string, AccessMode> = new Map([
  ['SINGLE_NODE_WRITER', 'single-node-writer'],
  ['SINGLE_NODE_SINGLE_WRITER', 'single-node-single-writer'],
  ['SINGLE_NODE_MULTI_WRITER', 'single-node-multi-writer'],
  ['SINGLE_NODE_READER_ONLY', 'single-node-reader-only'],
  ['MULTI_NODE_READER_ONLY', 'multi-node-reader-only'],
  ['MULTI_NODE_MULTI_WRITER', 'multi-node-multi-writer'],
]);

/** Throws InvalidArgument for what is missing, unknown or not supported; the message names the field. */
export function parseCapability(input: CapabilityInput, field: string): VolumeCapability {
  if (!input.accessType) throw new Fault('InvalidArgument', `${field}.access_type: missing, neither block nor mount`);
  const accessMode = parseCsiMode(input.accessMode, `${field}.access_mode`);
  if (input.accessType.kind === 'block') return { kind: 'block', accessMode };

  // A file system that two nodes write to at once is destroyed; a raw device may be, for a live migration.
  if (accessMode === 'multi-node-multi-writer') {
    throw new Fault(
      'InvalidArgument',
      `${field}.access_mode: MULTI_NODE_MULTI_WRITER is served for block volumes only`,
    );
  }
  return { kind: 'mount', accessMode, ...parseMount(input.accessType, `${field}.mount`) };
}

/**
 * All capabilities of one volume: at least one, of one kind and, if mounted, of one file system.
 * Throws InvalidArgument; the message names the field with its index.
 */
export function parseCapabilities(inputs: readonly CapabilityInput[], field: string): readonly VolumeCapability[] {
  if (inputs.length === 0) throw new Fault('InvalidArgument', `${field}: missing`);
  const capabilities = inputs.map((input, index) => parseCapability(input, `${field}[${index}]`));
  const contents = capabilities.map((capability) => (capability.kind === 'mount' ? capability.fileSystem : 'block'));
  const other = contents.findIndex((content) => content !== contents[0]);
  if (other > 0) {
    throw new Fault(
      'InvalidArgument',
      `${field}[${other}]: asks for ${contents[other]}, ${field}[0] for ${contents[0]}`,
    );
  }
  return capabilities;
}

/** An access mode as records and histories have it, e.g. `single-node-writer`. Throws InvalidArgument. */
export function parseAccessMode(text: string, field: string): AccessMode {
  const mode = ACCESS_MODES.find((known) => known === text);
  if (!mode)
    throw new Fault('InvalidArgument', `${field}: ${formatUntrusted(text)} is none of ${ACCESS_MODES.join(', ')}`);
  return mode;
}

/** Whether a volume of this mode may be attached to one node alone. */
export function isSingleNode(mode: AccessMode): boolean {
  return mode !== 'multi-node-reader-only' && mode !== 'multi-node-multi-writer';
}

/** Whether nobody writes to a volume of this mode. */
export function isReaderMode(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}

function parseCsiMode(text: string | undefined, field: string): AccessMode {
  if (text === undefined || text === '' || text === 'UNKNOWN') throw new Fault('InvalidArgument', `${field}: missing`);
  const mode = MODE_OF_CSI.get(text);
  if (!mode) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} is not supported; supported: ${[...MODE_OF_CSI.keys()].join(', ')}`,
    );
  }
  return mode;
}

function parseMount(mount: MountInput, field: string): { fileSystem: FileSystem; mountFlags: readonly string[] } {
  const fileSystem = mount.fsType === '' ? 'ext4' : parseFileSystem(mount.fsType, `${field}.fs_type`);
  // The capability VOLUME_MOUNT_GROUP is not declared: kubelet itself sets the group's ownership.
  if (mount.volumeMountGroup !== '') throw new Fault('InvalidArgument', `${field}.volume_mount_group: not supported`);
  const mountFlags = mount.mountFlags.map((flag, index) =>
    parseMountFlag(flag, { fileSystem, field: `${field}.mount_flags[${index}]` }),
  );
  return { fileSystem, mountFlags };
}
