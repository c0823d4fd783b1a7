import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, type Node, startDriver } from '../kit/driver';
import { createPodVolume, isRoot, loopsOf, mountsOf } from '../kit/pod';
import { blockOf, GIB, mountOf, newName } from '../kit/requests';

type Volume = Awaited<ReturnType<typeof createPodVolume>>;
type Requests = ReturnType<Volume['on']>;

/** What a request holds instead of what the kubelet would send. */
type Fields = Readonly<Record<string, unknown>>;

const CALLS = {
  stage: (requests: Requests, fields: Fields) => node.csi.stage({ ...requests.stage, ...fields }),
  unstage: (requests: Requests, fields: Fields) => node.csi.unstage({ ...requests.unstage, ...fields }),
  publish: (requests: Requests, fields: Fields) => node.csi.publish({ ...requests.publish, ...fields }),
  unpublish: (requests: Requests, fields: Fields) => node.csi.unpublish({ ...requests.unpublish, ...fields }),
  stats: ({ expand: { volumeId, volumePath } }: Requests, fields: Fields) =>
    node.csi.stats({ volumeId, volumePath, ...fields }),
  expand: (requests: Requests, fields: Fields) => node.csi.expand({ ...requests.expand, ...fields }),
};
type Call = keyof typeof CALLS;

/** Every path that a call takes, by its name in JavaScript and on the wire. */
const PATHS: readonly [Call, string, string][] = [
  ['stage', 'stagingTargetPath', 'staging_target_path'],
  ['unstage', 'stagingTargetPath', 'staging_target_path'],
  ['publish', 'stagingTargetPath', 'staging_target_path'],
  ['publish', 'targetPath', 'target_path'],
  ['unpublish', 'targetPath', 'target_path'],
  ['stats', 'volumePath', 'volume_path'],
  ['stats', 'stagingTargetPath', 'staging_target_path'],
  ['expand', 'volumePath', 'volume_path'],
  ['expand', 'stagingTargetPath', 'staging_target_path'],
];

/** What is said of another volume at a path where this one is. */
const OTHERS: Readonly<Record<Call, readonly [keyof typeof status, string]>> = {
  stage: ['INVALID_ARGUMENT', 'volume_context.nqn'],
  unstage: ['ALREADY_EXISTS', 'staging path of'],
  publish: ['ALREADY_EXISTS', 'staging path of'],
  unpublish: ['FAILED_PRECONDITION', 'is mounted there'],
  stats: ['NOT_FOUND', 'is not at'],
  expand: ['FAILED_PRECONDITION', 'is not connected'],
};

const LINKS: readonly [string, (kubeletDir: string) => string, status, string][] = [
  ['over a link out of the kubelet’s folder', (dir) => `${dir}/linked/data`, status.INVALID_ARGUMENT, 'a link'],
  ['that is a link', (dir) => `${dir}/linked`, status.INVALID_ARGUMENT, 'a link'],
];

let driver: Driver;
let node: Node;
/** Staged and published, with a file in it. */
let mounted: Volume;
/** Raw block, the same. */
let block: Volume;
/** A folder of the node's that is none of the kubelet's. */
let outside: string;

(isRoot ? describe : describe.skip)('bad input to a node', () => {
  beforeAll(async () => {
    driver = await startDriver();
    node = await driver.startNode('node-a');
    mounted = await createPodVolume(driver);
    block = await createPodVolume(driver, blockOf());
    for (const volume of [mounted, block]) {
      const { stage, publish } = volume.on(node);
      await node.csi.stage(stage);
      await node.csi.publish(publish);
    }
    writeFileSync(path.join(mounted.on(node).targetPath, 'data'), 'precious');
    outside = path.join(path.dirname(node.kubeletDir), 'outside');
    mkdirSync(outside);
    writeFileSync(path.join(outside, 'data'), 'precious');
    symlinkSync(outside, path.join(node.kubeletDir, 'linked'));
    mkdirSync(path.join(node.kubeletDir, 'full'));
    writeFileSync(path.join(node.kubeletDir, 'full', 'data'), 'precious');
    writeFileSync(path.join(node.kubeletDir, 'file'), 'precious');
    execFileSync('mkfifo', [path.join(node.kubeletDir, 'fifo')]);
  });

  afterAll(async () => {
    expect(readFileSync(path.join(mounted.on(node).targetPath, 'data'), 'utf8')).toBe('precious');
    for (const volume of [mounted, block]) await volume.end(node);
    await driver.stop();
  });

  /** The call is refused so, in these words, and nothing on the node is other than before. */
  async function expectRefusal(call: Promise<unknown>, code: status, words: string): Promise<void> {
    const before = stateOf();
    const error = await errorOf(call);
    expect([status[error.code], error.details]).toEqual([status[code], expect.stringContaining(words)]);
    expect(stateOf()).toEqual(before);
  }

  function stateOf() {
    const volumes = [mounted.volumeId, block.volumeId];
    return {
      entries: readdirSync(node.kubeletDir, { recursive: true, encoding: 'utf8' }).toSorted(),
      outside: readdirSync(outside),
      mounts: volumes.flatMap(mountsOf),
      loops: volumes.flatMap(loopsOf),
      data: ['full/data', 'file'].map((name) => readFileSync(path.join(node.kubeletDir, name), 'utf8')),
    };
  }

  describe.each(PATHS)('%s, %s', (call, field, wireName) => {
    // CSI spec 1.12: at a path where there is no volume there is none (NOT_FOUND); csi-sanity asks with one that is not absolute.
    const isPlace = field === 'volumePath';
    const { INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION } = status;
    const isNeeded = !(field === 'stagingTargetPath' && (call === 'stats' || call === 'expand'));

    it.each<[string, (kubeletDir: string) => string, status, string]>([
      ['relative', () => 'pods/x', isPlace ? NOT_FOUND : INVALID_ARGUMENT, 'not absolute'],
      ['with ..', (dir) => `${dir}/pods/../../outside`, INVALID_ARGUMENT, wireName],
      ['with an empty segment', (dir) => `${dir}//pods`, INVALID_ARGUMENT, wireName],
      ['with a control character', (dir) => `${dir}/pods/a\nb`, INVALID_ARGUMENT, wireName],
      ['with a NUL', (dir) => `${dir}/pods/a\0b`, INVALID_ARGUMENT, wireName],
      ['not below the kubelet’s folder', () => outside, INVALID_ARGUMENT, wireName],
      ['the kubelet’s folder itself', (dir) => dir, INVALID_ARGUMENT, wireName],
      ['beginning like the kubelet’s folder', (dir) => `${dir}-b/x`, INVALID_ARGUMENT, wireName],
      // An expansion looks at the volume's own path alone.
      ...(call === 'expand' && field === 'stagingTargetPath' ? [] : LINKS),
      ['of over 4000 bytes', (dir) => `${dir}${'/x'.repeat(2_001)}`, INVALID_ARGUMENT, wireName],
      ['with a segment of over 255 bytes', (dir) => `${dir}/${'x'.repeat(256)}`, INVALID_ARGUMENT, wireName],
    ])('refuses a path %s', async (_fact, bad, code, words) =>
      expectRefusal(CALLS[call](mounted.on(node), { [field]: bad(node.kubeletDir) }), code, words),
    );

    const code = call === 'publish' && field === 'stagingTargetPath' ? FAILED_PRECONDITION : INVALID_ARGUMENT;
    if (isNeeded) {
      it('refuses none', () => expectRefusal(CALLS[call](mounted.on(node), { [field]: '' }), code, wireName));
    }
  });

  describe.each<Call>(['stage', 'unstage', 'publish', 'unpublish', 'stats', 'expand'])('%s, volumeId', (call) => {
    it.each([
      ['none', ''],
      ['of 129 bytes', `pvc-${'x'.repeat(125)}`],
      ['with a path', '../../etc'],
      ['with a newline', 'pvc-\n'],
      ['with a quote', 'pvc-"$(reboot)"'],
    ])('refuses an ID %s', async (_fact, volumeId) =>
      expectRefusal(CALLS[call](mounted.on(node), { volumeId }), status.INVALID_ARGUMENT, 'volume_id'),
    );

    it('knows no volume that this driver did not make', async () => {
      const requests = (await free()).on(node);
      const asked = CALLS[call](requests, { volumeId: 'somebody-else' });
      // Taking away what never was is done; CSI spec 1.12, NodeUnstageVolume and NodeUnpublishVolume.
      if (call === 'unstage' || call === 'unpublish') expect(await asked).toEqual({});
      else await expectRefusal(asked, status.NOT_FOUND, 'somebody-else');
    });

    it('knows no other volume at this path', async () => {
      const other = newName();
      const [code, words] = OTHERS[call];
      const before = stateOf();
      const error = await errorOf(CALLS[call](mounted.on(node), { volumeId: other }));
      expect([status[error.code], error.details]).toEqual([code, expect.stringContaining(words)]);
      expect(stateOf()).toEqual(before);
    });
  });

  const flagged = (...mountFlags: string[]) => ({
    ...mountOf(),
    accessType: { $case: 'mount', value: { fsType: 'ext4', mountFlags, volumeMountGroup: '' } } as const,
  });

  it.each<[string, Fields, string]>([
    ['no capability', { volumeCapability: undefined }, 'volume_capability'],
    ['a capability without a type', { volumeCapability: { accessMode: { mode: 1 } } }, 'volume_capability'],
    ['a capability without a mode', { volumeCapability: { ...mountOf(), accessMode: undefined } }, 'access_mode'],
    ['an unknown mode', { volumeCapability: mountOf(99 as Mode) }, 'access_mode'],
    ['many writers on a file system', { volumeCapability: mountOf(Mode.MULTI_NODE_MULTI_WRITER) }, 'access_mode'],
    ['one writer of several nodes', { volumeCapability: blockOf(Mode.MULTI_NODE_SINGLE_WRITER) }, 'access_mode'],
    ['an unknown file system', { volumeCapability: mountOf(Mode.SINGLE_NODE_WRITER, 'zfs') }, 'fs_type'],
    ['an unknown mount option', { volumeCapability: flagged('sudo') }, 'mount_flags'],
    ['a mount option that escapes', { volumeCapability: flagged('noatime', 'suid') }, 'mount_flags'],
    ['another file system’s mount option', { volumeCapability: flagged('compress=zstd') }, 'mount_flags'],
    ['several mount options in one', { volumeCapability: flagged('noatime,dev') }, 'mount_flags'],
    ['a mount option of 4 KiB', { volumeCapability: flagged('x'.repeat(4_096)) }, 'mount_flags'],
  ])('stage and publish refuse %s, and say of which volume', async (_fact, fields, field) => {
    const requests = mounted.on(node);
    for (const words of [field, mounted.volumeId]) {
      await expectRefusal(CALLS.stage(requests, fields), status.INVALID_ARGUMENT, words);
      await expectRefusal(CALLS.publish(requests, fields), status.INVALID_ARGUMENT, words);
    }
  });

  it.each<[string, (context: Record<string, string>) => Record<string, string>, string]>([
    ['none', () => ({}), 'volume_context.nqn: missing'],
    ['one without an NQN', ({ nqn: _nqn, ...context }) => context, 'volume_context.nqn: missing'],
    ['an NQN of another volume', (context) => ({ ...context, nqn: `nqn.2000-02.com.mikrotik:${newName()}` }), 'nqn'],
    ['no NQN at all', (context) => ({ ...context, nqn: '; reboot' }), 'volume_context.nqn'],
    ['an address that is none', (context) => ({ ...context, nvmeAddress: '-a 1.2.3.4' }), 'nvmeAddress'],
    ['a port that is none', (context) => ({ ...context, nvmePort: '65536' }), 'nvmePort'],
    ['a path with ..', (context) => ({ ...context, volumePath: '/pool/../etc' }), 'volumePath'],
    ['a time-out that is none', (context) => ({ ...context, ctrlLossTmo: '-2' }), 'ctrlLossTmo'],
    ['unknown mkfs options', (context) => ({ ...context, mkfsOptions: '--shrink' }), 'mkfsOptions'],
    [
      'mkfs options that name a device',
      (context) => ({ ...context, mkfsOptions: '-J device=/dev/sda' }),
      'mkfsOptions',
    ],
    ['a map of over 4 KiB', (context) => ({ ...context, filler: 'x'.repeat(4_096) }), 'volume_context'],
  ])('stage refuses a context: %s', async (_fact, change, words) => {
    const requests = (await free()).on(node);
    const volumeContext = change(requests.stage.volumeContext);
    await expectRefusal(CALLS.stage(requests, { volumeContext }), status.INVALID_ARGUMENT, words);
  });

  it.each<[string, Fields, status, string]>([
    [
      'less at most than at least',
      { requiredBytes: GIB, limitBytes: GIB / 2n },
      status.INVALID_ARGUMENT,
      'limit_bytes',
    ],
    ['less than nothing', { requiredBytes: -1n }, status.INVALID_ARGUMENT, 'required_bytes'],
  ])('expand refuses %s', async (_fact, capacityRange, code, words) =>
    expectRefusal(CALLS.expand(mounted.on(node), { capacityRange }), code, words),
  );

  it('a second stage in another way is refused: file system, kind, options', async () => {
    const requests = mounted.on(node);
    const { ALREADY_EXISTS } = status;
    const xfs = mountOf(Mode.SINGLE_NODE_WRITER, 'xfs');
    await expectRefusal(CALLS.stage(requests, { volumeCapability: xfs }), ALREADY_EXISTS, 'in another way');
    await expectRefusal(CALLS.stage(requests, { volumeCapability: blockOf() }), ALREADY_EXISTS, 'in another way');
    await expectRefusal(
      CALLS.stage(requests, { volumeCapability: flagged('noatime') }),
      ALREADY_EXISTS,
      'in another way',
    );
    await expectRefusal(CALLS.stage(block.on(node), { volumeCapability: mountOf() }), ALREADY_EXISTS, 'in another way');
    await CALLS.stage(requests, {});
  });

  it('a second publish in another way is refused: readonly, kind', async () => {
    const { ALREADY_EXISTS, FAILED_PRECONDITION } = status;
    await expectRefusal(CALLS.publish(mounted.on(node), { readonly: true }), ALREADY_EXISTS, 'for writing');
    const asBlock = { volumeCapability: blockOf() };
    await expectRefusal(CALLS.publish(mounted.on(node), asBlock), FAILED_PRECONDITION, 'staged as mount');
    const asMount = { volumeCapability: mountOf() };
    await expectRefusal(CALLS.publish(block.on(node), asMount), FAILED_PRECONDITION, 'staged as block');
    await CALLS.publish(mounted.on(node), {});
  });

  it('what is at a target and is no target is neither used nor taken away', async () => {
    const { FAILED_PRECONDITION, INVALID_ARGUMENT } = status;
    for (const name of ['file', 'fifo', 'full']) {
      const targetPath = path.join(node.kubeletDir, name);
      await expectRefusal(CALLS.unpublish(mounted.on(node), { targetPath }), FAILED_PRECONDITION, targetPath);
      await expectRefusal(CALLS.publish(block.on(node), { targetPath }), FAILED_PRECONDITION, targetPath);
    }
    for (const name of ['file', 'fifo']) {
      const targetPath = path.join(node.kubeletDir, name);
      await expectRefusal(CALLS.publish(mounted.on(node), { targetPath }), FAILED_PRECONDITION, targetPath);
    }
    const { stagingTargetPath } = mounted.on(node);
    for (const targetPath of [stagingTargetPath, `${stagingTargetPath}/below`, path.dirname(stagingTargetPath)]) {
      await expectRefusal(CALLS.publish(mounted.on(node), { targetPath }), INVALID_ARGUMENT, 'target_path');
    }
  });

  it('a staging path that is no folder, or another’s, takes nothing', async () => {
    const fresh = await free();
    const requests = fresh.on(node);
    for (const name of ['file', 'fifo']) {
      const stagingTargetPath = path.join(node.kubeletDir, name);
      await expectRefusal(CALLS.stage(requests, { stagingTargetPath }), status.FAILED_PRECONDITION, stagingTargetPath);
    }
    const { stagingTargetPath } = mounted.on(node);
    await expectRefusal(CALLS.stage(requests, { stagingTargetPath }), status.ALREADY_EXISTS, mounted.volumeId);
    await fresh.end(node);
  });

  it('statistics and growth of a path where something else is', async () => {
    const { NOT_FOUND } = status;
    for (const name of ['file', 'fifo', 'full', 'nothing']) {
      const volumePath = path.join(node.kubeletDir, name);
      await expectRefusal(CALLS.stats(mounted.on(node), { volumePath }), NOT_FOUND, volumePath);
      await expectRefusal(CALLS.expand(mounted.on(node), { volumePath }), NOT_FOUND, volumePath);
    }
    const { targetPath } = block.on(node);
    await expectRefusal(CALLS.stats(mounted.on(node), { volumePath: targetPath }), NOT_FOUND, targetPath);
  });

  /** A volume that is not staged anywhere; one for all tests that stage nothing. */
  let unused: Volume | undefined;
  async function free(): Promise<Volume> {
    unused ??= await createPodVolume(driver);
    unused.on(node);
    return unused;
  }
});
