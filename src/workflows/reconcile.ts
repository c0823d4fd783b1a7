import { condition, defineSignal, setHandler, sleep, workflowInfo } from '@temporalio/workflow';
import { NODE_ANSWER_LIMIT_MS } from '../contract/limits';
import {
  type FindingsDto,
  LOOK_AGAIN_SIGNAL,
  type OrphanSightingDto,
  parseSummary,
  type ReconcileInput,
  type ReconcileSummary,
} from '../contract/reconcile';
import { ageSightings, isUnbroken, olderThan, type Sighting } from '../domain/sightings';
import type { Orphan, StaleAttachment } from '../domain/stock';
import { reconciler } from './activities';
import { keyOfAttachment, type Repairs, startRepairs } from './repairs';
import { tell } from './tell';

const lookAgain = defineSignal(LOOK_AGAIN_SIGNAL);
/** A run that is asked to look again and again ends at last: what it has not done, the next one does. */
const MOST_LOOKS = 100;
/** Between being asked to look again and looking. */
const LOOK_PAUSE_MS = 3_000;
/** Runs further apart than this, or than three intervals, do not tell what was between them. In milliseconds. */
const LEAST_GAP_MS = 3_600_000;
/** Events that one run posts of a kind; the summary has them all. */
const MOST_EVENTS = 50;

/**
 * Holds the RDS against the cluster, puts right what this driver alone answers for, tells what a person must decide, and ends with
 * what it saw, did and left. Started by a Schedule alone, so that no two runs overlap.
 */
export async function reconcile(input: ReconcileInput): Promise<ReconcileSummary> {
  const { clusterId } = input;
  const repairs = startRepairs(clusterId);
  const findings = await reconciler.takeStock({ clusterId });
  const nowMs = Date.now();
  const previous = findPrevious(nowMs);
  const emptyMs = findings.seen.persistentVolumes === 0 ? nowMs : previous?.emptyMs;
  const orphans = ageSightings(previous?.orphans ?? [], { found: findings.orphans, nowMs, keyOf: keyOfOrphan });
  let stopped = await tellProblems(findings);
  if (stopped === undefined) {
    await repairs.restoreExports(findings.missingExports);
    await tellLosses(findings);
    await settleOrphans(input, { findings, orphans, repairs, emptyMs });
    stopped = await settleAttachments(input, { findings, repairs });
  }
  const { seen, lostVolumes } = findings;
  const times = { seenMs: nowMs, ...(emptyMs === undefined ? {} : { emptyMs }) };
  const end = stopped === undefined ? {} : { stopped };
  const summary = { seen, ...repairs.lines(), orphans, lostVolumes, ...end, ...times };
  await reconciler.recordPass({ summary, seconds: (Date.now() - workflowInfo().startTime.getTime()) / 1_000 });
  return summary;
}

/** What the run before has seen, if nothing can have happened between that nobody saw. Earlier releases did not say when it was. */
function findPrevious(nowMs: number): ReturnType<typeof parseSummary> {
  const { lastResult, memo } = workflowInfo();
  const previous = parseSummary(lastResult);
  if (previous?.seenMs === undefined) return previous;
  const intervalSeconds = memo?.intervalSeconds;
  const mostGapMs = Math.max(LEAST_GAP_MS, typeof intervalSeconds === 'number' ? 3_000 * intervalSeconds : 0);
  return isUnbroken(previous.seenMs, { nowMs, mostGapMs }) ? previous : undefined;
}

interface Pass {
  readonly findings: FindingsDto;
  readonly repairs: Repairs;
}

/**
 * What is stale is cleared when it was seen so twice, a grace apart, and no node says that it has it. What turns up while another
 * waits has a grace of its own. Returns why it stopped before the end, if it did.
 */
async function settleAttachments(
  { clusterId, graceSeconds }: ReconcileInput,
  { findings, repairs }: Pass,
): Promise<string | undefined> {
  const graceMs = graceSeconds * 1_000;
  let isAsked = false;
  setHandler(lookAgain, () => {
    isAsked = true;
  });
  let found = findings.staleAttachments;
  let waiting: readonly Sighting<StaleAttachment>[] = [];
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    const nowMs = Date.now();
    const stale = ageSightings(waiting, { found, nowMs, keyOf: keyOfAttachment });
    const due = olderThan(stale, graceMs, nowMs);
    await repairs.clearAttachments(due);
    waiting = stale.filter((sighting) => !due.includes(sighting));
    if (waiting.length === 0) return undefined;
    const dueMs = Math.min(...waiting.map(({ sinceMs }) => sinceMs)) + graceMs;
    // The nodes are asked within the grace: one that is off takes as long to be heard of as it may.
    if (!(await condition(() => isAsked, msUntil(dueMs - NODE_ANSWER_LIMIT_MS)))) {
      await repairs.askNodes(olderThan(waiting, graceMs - NODE_ANSWER_LIMIT_MS, Date.now()));
      await condition(() => isAsked, msUntil(dueMs));
    }
    // Nodes that are lost one after the other are many triggers: they are few looks.
    if (isAsked) await sleep(Math.min(LOOK_PAUSE_MS, graceMs / 4));
    isAsked = false;
    const again = await reconciler.takeStock({ clusterId });
    const stopped = await tellProblems(again);
    if (stopped !== undefined) return stopped;
    found = again.staleAttachments;
  }
  return undefined;
}

/** At least a moment: a timer of nothing is none. */
function msUntil(timeMs: number): number {
  return Math.max(timeMs - Date.now(), 1);
}

function keyOfOrphan({ kind, path }: Orphan): string {
  return `${kind} ${path}`;
}

/** Why the run stops without touching anything more; undefined: nothing is wrong. What cannot be read may be what matters. */
async function tellProblems({ problems }: FindingsDto): Promise<string | undefined> {
  if (problems.length === 0) return undefined;
  const stopped = `nothing is reconciled until this is mended: ${problems.join('; ')}`;
  await tell({
    reason: 'ReconcileStopped',
    type: 'Warning',
    message: stopped,
    on: { kind: 'Controller' },
  });
  return stopped;
}

async function tellLosses({ lostVolumes }: FindingsDto): Promise<void> {
  for (const { name, volumeId, why } of lostVolumes.slice(0, MOST_EVENTS)) {
    const what = why === 'no-disk' ? 'the RDS shows no disk of it' : 'the RDS does not list its backing file';
    const advice =
      'see whether its pool is mounted and its path among volumePaths, before anything is deleted or restored';
    const message = `${volumeId}: ${what}; ${advice}`;
    await tell({ reason: 'VolumeLost', type: 'Warning', message, on: { kind: 'PersistentVolume', name } });
  }
}

/** Tells of the old ones, and deletes those that are older still, if that is wished. */
async function settleOrphans(
  { orphanAgeSeconds, deleteOrphansAfterSeconds }: ReconcileInput,
  {
    findings,
    orphans,
    repairs,
    emptyMs,
  }: Pass & { readonly orphans: readonly OrphanSightingDto[]; readonly emptyMs: number | undefined },
): Promise<void> {
  const nowMs = Date.now();
  const old = olderThan(orphans, orphanAgeSeconds * 1_000, nowMs);
  for (const orphan of old.slice(0, MOST_EVENTS)) {
    const message = formatOrphan(orphan);
    await tell({ reason: 'OrphanDetected', type: 'Warning', message, on: { kind: 'Controller' } });
  }
  if (deleteOrphansAfterSeconds === undefined) return;
  // A file without a disk has no record: nobody knows whose it is.
  const mostMs = deleteOrphansAfterSeconds * 1_000;
  const ours = olderThan(orphans, mostMs, nowMs).filter(({ kind }) => kind !== 'file');
  // A cluster that shows none of its volumes is being restored, or is not the one that these are of.
  if (findings.seen.persistentVolumes === 0) return repairs.leave(ours, 'the cluster shows no PersistentVolume at all');
  // Its volumes come back one by one: those that are not there yet are no orphans for having waited.
  if (emptyMs !== undefined && nowMs - emptyMs < mostMs) {
    return repairs.leave(
      ours,
      `the cluster showed no PersistentVolume at all until ${new Date(emptyMs).toISOString()}`,
    );
  }
  await repairs.deleteOrphans(ours);
}

function formatOrphan({ kind, volumeId, path, sizeBytes, sinceMs }: OrphanSightingDto): string {
  const what = {
    disk: `${volumeId}: no PersistentVolume is about this disk (${path}, ${sizeBytes} bytes)`,
    file: `${path} (${sizeBytes} bytes): no disk uses this file`,
    'disk-without-file': `${volumeId}: the backing file of this disk is gone (${path})`,
  };
  return `${what[kind]}, since ${new Date(sinceMs).toISOString()} at least`;
}
