import { closeSync, existsSync, fsyncSync, openSync, readSync, statfsSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import { VolumeCapability_AccessMode_Mode as Mode } from '../../src/csi/generated/csi';
import { type Driver, errorOf, type Node } from './driver';
import { createPodVolume, filesOf, loopsOf, mountsOf } from './pod';
import { blockOf, GIB, mountOf } from './requests';
import type { SetStep, Step, Steps } from './steps';

type Operation = 'stage' | 'unstage' | 'publish' | 'unpublish' | 'expand';

/** An operation on a volume of its own, and the step at which something happens to somebody. */
export interface Case {
  readonly operation: Operation;
  readonly capability: ReturnType<typeof mountOf> | ReturnType<typeof blockOf>;
  readonly readOnly: boolean;
  readonly at: Step['at'];
  readonly act: Step['act'];
  /** In the step's subject, before and behind the volume's ID; both may have `*`. */
  readonly on: readonly [string, string];
}

export const nameOf = ({ operation, capability, readOnly, at, act, on }: Case): string => {
  const { accessType } = capability;
  const kind = accessType.$case === 'mount' ? accessType.value.fsType : 'raw block';
  return `${operation} of ${kind}${readOnly ? ', read-only' : ''}: ${act} ${at} ${on.join('<volume>')}`;
};

/** A case that has come to its step, where it waits. */
export interface Held {
  readonly step: SetStep;
  /** How the call ended that was under way: `OK`, or the name of its gRPC code. */
  readonly first: Promise<string>;
  /** The sidecars' and the kubelet's way: again and again, until it ends OK; any code that does not say "later" is thrown. */
  readonly repeat: (node: Node) => Promise<void>;
  /** What was asked for holds, once; the volume's data is there; and after its end nothing is left. */
  readonly verify: (node: Node) => Promise<void>;
}

/** A case in a line: `of('stage', 'ext4', 'mount', 'before')`; kinds end in ` ro` where nobody may write. */
export function caseOf(
  operation: Operation,
  kind: string,
  at: Step['at'],
  act: Step['act'],
  on: Case['on'] = ['*', '*'],
): Case {
  const readOnly = kind.endsWith(' ro');
  const [fsType = ''] = kind.split(' ');
  const mode = readOnly ? Mode.MULTI_NODE_READER_ONLY : Mode.SINGLE_NODE_WRITER;
  const capability = fsType === 'block' ? blockOf(mode) : mountOf(Mode.SINGLE_NODE_WRITER, fsType);
  return { operation, capability, readOnly, at, act, on };
}

/** Each operation in the middle of what it does, for victims that are not the node itself. */
export const IN_THE_MIDDLE: readonly Case[] = [
  caseOf('stage', 'ext4', 'losetup', 'after', ['--find *', '*']),
  caseOf('stage', 'ext4', 'mkfs.ext4', 'before'),
  caseOf('stage', 'xfs', 'mount', 'before'),
  caseOf('unstage', 'ext4', 'umount', 'before'),
  caseOf('unstage', 'block', 'losetup', 'before', ['--detach *', '*']),
  caseOf('publish', 'ext4', 'mount', 'before', ['*--bind *', '*']),
  caseOf('unpublish', 'ext4', 'umount', 'before'),
  caseOf('expand', 'xfs', 'xfs_growfs', 'before', ['-d *', '*']),
];

/** What cases have come to: each is told by its own test. */
export type Outcomes = ReadonlyMap<Case, Promise<Held>>;

/** All at their steps at the same time, as far as they come to them. */
export async function holdAll(cases: readonly Case[], context: Context): Promise<Outcomes> {
  const [outcomes] = await holdAllOn([{ cases, context }]);
  return outcomes ?? new Map();
}

/** As holdAll, of several nodes: a program may wait for some seconds only, so all are prepared first, and then all held. */
export async function holdAllOn(
  nodes: readonly { readonly cases: readonly Case[]; readonly context: Context }[],
): Promise<readonly Outcomes[]> {
  const prepared = nodes.map(({ cases, context }) => cases.map((each) => [each, prepare(each, context)] as const));
  await Promise.allSettled(prepared.flat().map(([, each]) => each));
  const held = prepared.map((own) => own.map(([each, ready]) => [each, ready.then(({ hold }) => hold())] as const));
  await Promise.allSettled(held.flat().map(([, each]) => each));
  return held.map((own) => new Map(own));
}

/** Those that did come to their steps. */
export async function heldOf(outcomes: Outcomes): Promise<readonly Held[]> {
  const all = await Promise.allSettled(outcomes.values());
  return all.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

const CALL_LIMIT_MS = 40_000;
const REPEAT_LIMIT_MS = 90_000;
const DATA = 'precious';
const LATER = ['ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'];

export async function releaseAll(outcomes: Outcomes): Promise<void> {
  for (const { step } of await heldOf(outcomes)) step.release();
}

/** How the calls ended that were under way: `stage: OK`; of these operations alone, if any are named. */
export async function firstOf(outcomes: Outcomes, ...operations: readonly Operation[]): Promise<readonly string[]> {
  const cases = [...outcomes].filter(([{ operation }]) => operations.length === 0 || operations.includes(operation));
  return await Promise.all(cases.map(async ([{ operation }, held]) => `${operation}: ${await (await held).first}`));
}

/** Each call repeated until it is OK, and then all of it checked; every case that fails is named. */
export async function verifyAll(outcomes: Outcomes, node: Node): Promise<void> {
  const failures: unknown[] = [];
  const tries = [...outcomes].map(async ([each, outcome]) => {
    try {
      const held = await outcome;
      await held.repeat(node);
      await held.verify(node);
    } catch (error) {
      failures.push(new Error(`${nameOf(each)}: ${String(error)}`, { cause: error }));
    }
  });
  await Promise.all(tries);
  expect(failures).toEqual([]);
}

interface Context {
  /** Its caller may be another one's after a while. */
  readonly place: Pick<Driver, 'csi' | 'rds'>;
  readonly node: Node;
  readonly steps: Steps;
}

/** A case whose volume is where the operation begins; `hold` brings the operation to its step. */
interface Prepared {
  readonly hold: () => Promise<Held>;
}

/** Apart from holding, since a program of the node may wait for some seconds only: many are prepared first, and then all held. */
async function prepare(
  { operation, capability, readOnly, at, act, on }: Case,
  { place, node, steps }: Context,
): Promise<Prepared> {
  const volume = await createPodVolume(place, capability);
  const { volumeId } = volume;
  const pod = volume.on(node, readOnly);
  const isMount = capability.accessType.$case === 'mount';
  const dataPath = isMount ? path.join(pod.targetPath, 'data') : pod.targetPath;
  const callOf = (on: Node): Promise<unknown> => {
    const calls = {
      stage: () => on.csi.stage(pod.stage, CALL_LIMIT_MS),
      unstage: () => on.csi.unstage(pod.unstage, CALL_LIMIT_MS),
      publish: () => on.csi.publish(pod.publish, CALL_LIMIT_MS),
      unpublish: () => on.csi.unpublish(pod.unpublish, CALL_LIMIT_MS),
      expand: () => on.csi.expand({ ...pod.expand, capacityRange: { requiredBytes: GIB } }, CALL_LIMIT_MS),
    };
    return calls[operation]();
  };
  if (operation !== 'stage') {
    await node.csi.stage(pod.stage);
    await node.csi.publish({ ...pod.publish, readonly: false });
    writeData(dataPath);
    if (operation === 'expand')
      await place.csi.expandVolume({ volumeId, capacityRange: { requiredBytes: GIB } }, CALL_LIMIT_MS);
    if (operation === 'publish' || operation === 'unstage') await node.csi.unpublish(pod.unpublish);
  }
  const verify = async (on: Node): Promise<void> => {
    const both = isMount ? [pod.stagingTargetPath, pod.targetPath] : [];
    if (operation === 'unstage') {
      expect([mountsOf(volumeId), loopsOf(volumeId), filesOf(volumeId, on)]).toEqual([[], [], []]);
      await on.csi.stage(pod.stage);
    } else if (operation === 'unpublish') {
      expect([mountsOf(volumeId), existsSync(pod.targetPath)]).toEqual([both.slice(0, 1), false]);
    } else if (operation === 'stage') {
      expect(mountsOf(volumeId)).toEqual(both.slice(0, 1));
    } else {
      expect(mountsOf(volumeId)).toEqual(both);
    }
    expect(loopsOf(volumeId)).toHaveLength(1);
    await on.csi.publish(pod.publish);
    expect(mountsOf(volumeId)).toEqual(both);
    if (operation === 'stage') {
      if (isMount && !readOnly) writeData(dataPath);
    } else {
      expect(readData(dataPath)).toBe(DATA);
    }
    if (isMount && readOnly) expect(() => openSync(path.join(pod.targetPath, 'other'), 'w')).toThrow('EROFS');
    const { blocks, bsize } = operation === 'expand' ? statfsSync(pod.targetPath) : { blocks: 0, bsize: 0 };
    if (operation === 'expand') expect(blocks * bsize).toBeGreaterThan(Number(GIB) * 0.8);
    await volume.end(on);
  };
  return {
    async hold() {
      const step = steps.set({ at, act, on: on.join(volumeId) });
      const first = callOf(node).then(
        () => 'OK',
        (error: unknown) => codeOf(error),
      );
      const early = first.then((code) => {
        throw new Error(`${operation} ended before its step, ${code}`);
      });
      await Promise.race([step.reached(), early]);
      return { step, first, repeat: (on) => untilOk(() => callOf(on)), verify };
    },
  };
}

/** Throws at a code that does not say "later", and when it has taken too long. */
export async function untilOk(call: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + REPEAT_LIMIT_MS;
  for (;;) {
    const code = await call().then(
      () => 'OK',
      (error: unknown) => {
        if (!LATER.includes(codeOf(error)) || Date.now() > deadline) throw error;
        return codeOf(error);
      },
    );
    if (code === 'OK') return;
    await delay(100);
  }
}

export async function codeOfCall(call: Promise<unknown>): Promise<string> {
  return status[(await errorOf(call)).code] ?? '';
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? (status[Number(error.code)] ?? '') : '';
}

/** On the disk when it returns; a device node is there already. */
function writeData(file: string): void {
  const fd = openSync(file, existsSync(file) ? 'r+' : 'w');
  writeSync(fd, DATA);
  fsyncSync(fd);
  closeSync(fd);
}

function readData(file: string): string {
  const fd = openSync(file, 'r');
  const bytes = Buffer.alloc(DATA.length);
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.toString();
}
