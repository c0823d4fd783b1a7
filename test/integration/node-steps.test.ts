import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, type Node, startDriver } from '../kit/driver';
import { isRoot } from '../kit/pod';
import { type Case, caseOf, type Held, heldOf, holdAllOn, nameOf } from '../kit/step-cases';
import { createSteps } from '../kit/steps';

const NOTE: Case['on'] = ['*', '/globalmount.rds-csi.json'];
const INDEX: Case['on'] = ['*/stages/', ''];
const MARK: Case['on'] = ['*/stages/', '.formatting'];
const NAME: Case['on'] = ['*/nodes/*', ''];

/** One process each: so many acts run on a node at a time. All are killed, with what they have started, at the same moment. */
const KILLED: readonly (readonly Case[])[] = [
  [
    caseOf('stage', 'ext4', 'losetup', 'before', ['--find *', '*']),
    caseOf('stage', 'ext4', 'losetup', 'after', ['--find *', '*']),
    caseOf('stage', 'xfs', 'blockdev', 'before', ['--flushbufs *', '*']),
    caseOf('stage', 'ext4', 'mkfs.ext4', 'before'),
    caseOf('stage', 'ext4', 'mkfs.ext4', 'half'),
    caseOf('stage', 'xfs', 'mkfs.xfs', 'after'),
    caseOf('stage', 'btrfs', 'mount', 'before'),
    caseOf('stage', 'ext4', 'mount', 'after'),
  ],
  [
    caseOf('stage', 'ext4', 'rename', 'before', NOTE),
    caseOf('stage', 'ext4', 'rename', 'after', NOTE),
    caseOf('stage', 'xfs', 'rename', 'after', INDEX),
    caseOf('stage', 'ext4', 'link', 'after', NAME),
    caseOf('stage', 'ext4', 'rename', 'after', MARK),
    caseOf('stage', 'xfs', 'rm', 'before', MARK),
    caseOf('stage', 'ext4', 'rm', 'after', MARK),
    caseOf('stage', 'block ro', 'losetup', 'after', ['--find *', '*']),
  ],
  [
    caseOf('unstage', 'ext4', 'umount', 'before'),
    caseOf('unstage', 'xfs', 'umount', 'after'),
    caseOf('unstage', 'ext4', 'losetup', 'before', ['--detach *', '*']),
    caseOf('unstage', 'block', 'losetup', 'after', ['--detach *', '*']),
    caseOf('unstage', 'ext4', 'unlink', 'before', NAME),
    caseOf('unstage', 'ext4', 'unlink', 'after', NAME),
    caseOf('unstage', 'ext4', 'rm', 'after', INDEX),
    caseOf('unstage', 'ext4', 'rm', 'after', NOTE),
  ],
  [
    caseOf('expand', 'xfs', 'losetup', 'before', ['--set-capacity *', '*']),
    caseOf('expand', 'xfs', 'losetup', 'after', ['--set-capacity *', '*']),
    caseOf('expand', 'xfs', 'xfs_growfs', 'before', ['-d *', '*']),
    caseOf('expand', 'xfs', 'xfs_growfs', 'after', ['-d *', '*']),
    caseOf('expand', 'btrfs', 'btrfs', 'before'),
    caseOf('publish', 'ext4', 'mkdir', 'after', ['*/pods/', '/mount']),
    caseOf('publish', 'ext4', 'mount', 'before', ['*--bind *', '*']),
    caseOf('publish', 'xfs', 'mount', 'after', ['*--bind *', '*']),
    caseOf('publish', 'ext4 ro', 'mount', 'before', ['*remount*', '*']),
    caseOf('publish', 'ext4 ro', 'mount', 'after', ['*remount*', '*']),
    caseOf('publish', 'block', 'rename', 'after', NOTE),
    caseOf('publish', 'block', 'mknod', 'before'),
    caseOf('publish', 'block', 'mknod', 'after'),
    caseOf('unpublish', 'ext4', 'umount', 'before'),
    caseOf('unpublish', 'ext4', 'umount', 'after'),
    caseOf('unpublish', 'ext4', 'rmdir', 'after', ['*/pods/', '/mount']),
    caseOf('unpublish', 'block', 'unlink', 'before', ['*/pods/', '/mount']),
    caseOf('unpublish', 'block', 'unlink', 'after', ['*/pods/', '/mount']),
  ],
];

let driver: Driver;

(isRoot ? describe : describe.skip)('a node killed with -9', () => {
  const processes = KILLED.map((cases, index) => ({ cases, nodeId: `node-${index}`, steps: createSteps() }));
  const outcomes = new Map<Case, { readonly held: Promise<Held>; readonly node: Node; readonly done: Promise<void> }>();

  beforeAll(async () => {
    driver = await startDriver();
    const nodes = await Promise.all(processes.map(({ nodeId, steps }) => driver.startNode(nodeId, { env: steps.env })));
    const held = await holdAllOn(
      processes.flatMap(({ cases, steps }, index) => {
        const node = nodes[index];
        return node ? [{ cases, context: { place: driver, node, steps } }] : [];
      }),
    );
    await Promise.all(nodes.map(({ program }) => program.kill()));
    for (const each of held) for (const { step } of await heldOf(each)) step.kill();
    const again = await Promise.all(
      processes.map(async ({ nodeId, steps }, index) => ({
        node: await driver.startNode(nodeId, { env: steps.env }),
        outcomes: held[index] ?? new Map(),
      })),
    );
    // All at once: each waits for as long as Temporal takes until it holds the old process for dead.
    for (const { node, outcomes: own } of again) {
      for (const [each, outcome] of own) {
        const done = outcome.then(({ repeat }: Held) => repeat(node));
        outcomes.set(each, { held: outcome, node, done });
      }
    }
    await Promise.allSettled([...outcomes.values()].map(({ done }) => done));
  });

  afterAll(async () => {
    await driver.stop();
    for (const { steps } of processes) steps.close();
  });

  const table = KILLED.flat().map((each) => [nameOf(each), each] as const);
  it.each(table)('%s', async (_name, each) => {
    const outcome = outcomes.get(each);
    if (!outcome) throw new Error('not tried');
    const { first, verify } = await outcome.held;
    expect(await first).toBe('UNAVAILABLE');
    await outcome.done;
    await verify(outcome.node);
  });
});
