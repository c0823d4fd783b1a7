import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { isRoot, loopsOf } from '../kit/pod';
import { blockOf, GIB, mountOf, newName } from '../kit/requests';

let driver: Driver;
const nodes: Record<string, Node> = {};

(isRoot ? describe : describe.skip)('a volume on nodes', () => {
  beforeAll(async () => {
    driver = await startDriver();
    for (const nodeId of ['node-a', 'node-b']) nodes[nodeId] = await driver.startNode(nodeId);
  });

  afterAll(async () => {
    await driver.stop();
  });

  it.each(['ext4', 'xfs', 'ext3', 'btrfs'])('%s: its files come along from node to node, grown', async (fsType) => {
    const capability = mountOf(Mode.SINGLE_NODE_WRITER, fsType);
    const volume = await create(capability);
    const a = await attach(volume, 'node-a', capability);
    writeFileSync(path.join(a.targetPath, 'data'), randomBytesOf(3_000_000));
    const sum = sumOf(path.join(a.targetPath, 'data'));
    const before = sizeOf(a.targetPath);

    const capacityRange = { requiredBytes: GIB };
    await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange, volumeCapability: capability });
    if (mayGrow(fsType)) {
      await a.node.csi.expand({ volumeId: volume.volumeId, volumePath: a.targetPath, capacityRange });
      expect(sizeOf(a.targetPath)).toBeGreaterThan(before * 1.5);
    }
    const { usage, volumeCondition } = await a.node.csi.stats({ volumeId: volume.volumeId, volumePath: a.targetPath });
    expect(Number(usage[0]?.total)).toBe(sizeOf(a.targetPath));
    expect(volumeCondition?.abnormal).toBe(false);

    await detach(a);
    const b = await attach(volume, 'node-b', capability);
    expect(sumOf(path.join(b.targetPath, 'data'))).toBe(sum);
    await detach(b);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
    expect(await driver.rds.traces(volume.volumeId)).toEqual({ disks: [], files: [] });
  });

  it('raw block: its bytes come along from node to node, grown', async () => {
    const capability = blockOf();
    const volume = await create(capability);
    const a = await attach(volume, 'node-a', capability);
    expect(statSync(a.targetPath).isBlockDevice()).toBe(true);
    const pattern = randomBytesOf(1_048_576);
    writeAt(a.targetPath, pattern, 7 * 1_048_576);
    await driver.csi.expandVolume({
      volumeId: volume.volumeId,
      capacityRange: { requiredBytes: GIB },
      volumeCapability: capability,
    });
    const grown = await a.node.csi.expand({
      volumeId: volume.volumeId,
      volumePath: a.targetPath,
      capacityRange: { requiredBytes: GIB },
      volumeCapability: capability,
    });
    expect(grown.capacityBytes).toBe(GIB);
    const { usage } = await a.node.csi.stats({ volumeId: volume.volumeId, volumePath: a.targetPath });
    expect(usage[0]?.total).toBe(GIB);
    await detach(a);
    const b = await attach(volume, 'node-b', capability);
    expect(readAt(b.targetPath, pattern.length, 7 * 1_048_576).equals(pattern)).toBe(true);
    await detach(b);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
  });

  it('stage and publish may be repeated under a writer, and change nothing', async () => {
    const capability = mountOf();
    const volume = await create(capability);
    const a = await attach(volume, 'node-a', capability);
    const file = openSync(path.join(a.targetPath, 'log'), 'w');
    for (let round = 0; round < 3; round += 1) {
      writeSync(file, `round ${round}\n`);
      await a.node.csi.stage(a.stage);
      await a.node.csi.publish(a.publish);
    }
    closeSync(file);
    expect(readFileSync(path.join(a.targetPath, 'log'), 'utf8')).toBe('round 0\nround 1\nround 2\n');
    expect(mountsBelow(a.node.kubeletDir).filter((place) => place === a.targetPath)).toHaveLength(1);
    await detach(a);
    await detach(a);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
  });

  it('under another nqnPrefix than the node’s own is found by every call', async () => {
    const capability = mountOf(Mode.SINGLE_NODE_WRITER, 'xfs');
    const volume = await create(capability, { nqnPrefix: 'nqn.2001-03.com.example:other' });
    const a = await attach(volume, 'node-a', capability);
    const capacityRange = { requiredBytes: GIB };
    await driver.csi.expandVolume({ volumeId: volume.volumeId, capacityRange });
    const grown = await a.node.csi.expand({ volumeId: volume.volumeId, volumePath: a.targetPath, capacityRange });
    expect(grown.capacityBytes).toBe(GIB);
    const { volumeCondition } = await a.node.csi.stats({ volumeId: volume.volumeId, volumePath: a.targetPath });
    expect(volumeCondition?.abnormal).toBe(false);
    await detach(a);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
  });

  it.each([mountOf(), blockOf()])(
    'is taken off the node although all notes of it are lost (%#)',
    async (capability) => {
      const volume = await create(capability, { nqnPrefix: 'nqn.2001-03.com.example:other' });
      const a = await attach(volume, 'node-a', capability);
      await a.node.csi.unpublish({ volumeId: volume.volumeId, targetPath: a.targetPath });
      const notes = readdirSync(a.node.kubeletDir, { recursive: true, encoding: 'utf8' }).filter(
        (name) => name.includes(volume.volumeId) && name.endsWith('.json'),
      );
      expect(notes.length).toBeGreaterThan(0);
      for (const name of notes) rmSync(path.join(a.node.kubeletDir, name));
      await detach(a);
      expect(loopsOf(volume.volumeId)).toEqual([]);
      await driver.csi.deleteVolume({ volumeId: volume.volumeId });
    },
  );

  it('is the same by both names of a kubelet’s folder that is a link', async () => {
    const real = path.join(path.dirname(nodes['node-a']?.kubeletDir ?? ''), 'kubelet-linked');
    mkdirSync(`${real}-real`);
    symlinkSync(`${real}-real`, real);
    const node = await driver.startNode('node-linked', { config: { kubeletDir: real } });
    nodes['node-linked'] = { ...node, kubeletDir: real };
    const volume = await create(mountOf());
    const a = await attach(volume, 'node-linked', mountOf());
    const byReal = (place: string) => place.replace(real, `${real}-real`);
    const stage = { ...a.stage, stagingTargetPath: byReal(a.stagingTargetPath) };
    await node.csi.stage(stage);
    await node.csi.publish({ ...stage, targetPath: byReal(a.targetPath) });
    expect(mountsBelow(`${real}-real`).toSorted()).toEqual([a.stagingTargetPath, a.targetPath].map(byReal).toSorted());
    await node.csi.unpublish({ volumeId: volume.volumeId, targetPath: byReal(a.targetPath) });
    await detach(a);
    expect(mountsBelow(`${real}-real`)).toEqual([]);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
  });

  it('read-only is read-only', async () => {
    const capability = mountOf();
    const volume = await create(capability);
    const a = await attach(volume, 'node-a', capability, true);
    expect(() => writeFileSync(path.join(a.targetPath, 'data'), 'x')).toThrow(/read-only|EROFS/);
    await detach(a);
    await driver.csi.deleteVolume({ volumeId: volume.volumeId });
  });
});

/** ext3 and ext4 grow online for those alone who have CAP_SYS_RESOURCE (bit 24), which some machines withhold even from root. */
function mayGrow(fsType: string): boolean {
  const [, effective = '0'] = /CapEff:\s+([0-9a-f]+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return !fsType.startsWith('ext') || ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}

async function create(
  capability: ReturnType<typeof mountOf> | ReturnType<typeof blockOf>,
  parameters: Record<string, string> = {},
) {
  const capacityRange = { requiredBytes: GIB / 2n };
  const { volume } = await driver.csi.createVolume({
    name: newName(),
    capacityRange,
    volumeCapabilities: [capability],
    parameters,
  });
  if (!volume) throw new Error('no volume');
  return volume;
}

type Volume = Awaited<ReturnType<typeof create>>;

/** What the attacher and the kubelet do for a pod. */
async function attach(
  { volumeId, volumeContext }: Volume,
  nodeId: string,
  volumeCapability: ReturnType<typeof mountOf> | ReturnType<typeof blockOf>,
  readonly = false,
) {
  const node = nodes[nodeId];
  if (!node) throw new Error(`no ${nodeId}`);
  const stagingTargetPath = path.join(node.kubeletDir, 'plugins', volumeId, 'globalmount');
  const targetPath = path.join(node.kubeletDir, 'pods', volumeId, 'mount');
  mkdirSync(stagingTargetPath, { recursive: true });
  mkdirSync(path.dirname(targetPath), { recursive: true });
  const stage = { volumeId, stagingTargetPath, volumeContext, volumeCapability };
  const publish = { ...stage, targetPath, readonly };
  await driver.csi.publishVolume({ volumeId, nodeId, volumeCapability, volumeContext });
  await node.csi.stage(stage);
  await node.csi.publish(publish);
  return { node, nodeId, volumeId, stagingTargetPath, targetPath, stage, publish };
}

async function detach({ node, nodeId, volumeId, stagingTargetPath, targetPath }: Awaited<ReturnType<typeof attach>>) {
  await node.csi.unpublish({ volumeId, targetPath });
  await node.csi.unstage({ volumeId, stagingTargetPath });
  await driver.csi.unpublishVolume({ volumeId, nodeId });
  expect(existsSync(targetPath)).toBe(false);
  expect(mountsBelow(node.kubeletDir).filter((place) => place.includes(volumeId))).toEqual([]);
}

function mountsBelow(folder: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '').filter((place) => place.startsWith(`${folder}/`));
}

function sizeOf(mountPoint: string): number {
  const { blocks, bsize } = statfsSync(mountPoint);
  return blocks * bsize;
}

function randomBytesOf(length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(newName()).digest();
}

function sumOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function writeAt(device: string, bytes: Buffer, position: number): void {
  const file = openSync(device, 'r+');
  writeSync(file, bytes, 0, bytes.length, position);
  closeSync(file);
}

function readAt(device: string, length: number, position: number): Buffer {
  const file = openSync(device, 'r');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, position);
  closeSync(file);
  return bytes;
}
