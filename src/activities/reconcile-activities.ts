import type { ClusterPort } from '../adapters/kubernetes/port';
import type { DisksPort } from '../adapters/routeros/port';
import type { ArrayActivities, ReconcileActivities } from '../contract/activities';
import type { FindingsDto, ReconcileSummary } from '../contract/reconcile';
import { type ClusterId, parseClusterId } from '../domain/record';
import {
  type ArraySurvey,
  type ClusterView,
  type Findings,
  type LostVolume,
  takeStock,
  whyStale,
} from '../domain/stock';
import { shareNext } from './share-next';

/** Most of each kind that one run takes up: what it returns is stored in a history. */
const MOST_FINDINGS = 1_000;

interface ReconcileParts {
  readonly disks: Pick<DisksPort, 'survey'>;
  readonly array: Pick<ArrayActivities, 'findAttachments'>;
  /** Undefined: there is no Kubernetes. */
  readonly cluster: ClusterPort | undefined;
  /** Told of each look at the RDS and each run that has ended. */
  readonly onPass: (pass: { readonly summary: ReconcileSummary; readonly seconds: number }) => void;
}

/** What reconcile asks of the RDS and the cluster together. */
export function createReconcileActivities(parts: ReconcileParts): ReconcileActivities {
  const { disks, array, cluster, onPass } = parts;
  // Many volumes are looked at at once, each under its own lock: they share what is the same for all.
  const listAttachments = shareNext(async () => (await cluster?.listAttachments()) ?? []);
  return {
    async takeStock(input) {
      const clusterId = parseClusterId(input.clusterId, 'clusterId');
      // The RDS first: a volume that is made meanwhile then has a PersistentVolume without a disk, never a disk without one.
      const survey = await disks.survey();
      const view = cluster && (await lookAtCluster(cluster));
      const findings = takeStock(clusterId, survey, view);
      const lostVolumes = await confirmLosses(findings.lostVolumes, disks);
      return { ...cut({ ...findings, lostVolumes }), seen: countSeen(clusterId, survey, view) };
    },
    async confirmStale({ volumeId, clusterId, nodeIds }) {
      const { attachments, ...found } = await array.findAttachments({ volumeId, clusterId });
      const named = nodeIds.filter((nodeId) => attachments.some((held) => held.nodeId === nodeId));
      if (!cluster || named.length === 0) return { ...found, named: named.length, stale: [] };
      const nodes = await findNodes(cluster, named);
      // Of a node that is gone nothing more needs to be asked.
      const view = { nodes, attachments: nodes.length === 0 ? [] : await listAttachments() };
      const stale = named.flatMap((nodeId) => {
        const why = whyStale({ volumeId, nodeId }, view);
        return why ? [{ nodeId, why }] : [];
      });
      return { ...found, named: named.length, stale };
    },
    recordPass: (pass) => {
      onPass(pass);
      return Promise.resolve();
    },
  };
}

async function findNodes(cluster: ClusterPort, nodeIds: readonly string[]) {
  const found = await Promise.all(nodeIds.map((nodeId) => cluster.findNode(nodeId)));
  return found.filter((node) => node !== undefined);
}

async function lookAtCluster(cluster: ClusterPort): Promise<ClusterView> {
  // Attachments before volumes: one whose volume came after it can still be told.
  const attachments = await cluster.listAttachments();
  return { attachments, volumes: await cluster.listVolumes(), nodes: await cluster.listNodes() };
}

/** A volume whose disk was made after the RDS was looked at is not lost: so the RDS is looked at once more. */
async function confirmLosses(
  lost: readonly LostVolume[],
  disks: Pick<DisksPort, 'survey'>,
): Promise<readonly LostVolume[]> {
  if (lost.length === 0) return lost;
  const { volumes } = await disks.survey();
  const seen = new Map(volumes.map((volume) => [volume.volumeId as string, volume]));
  return lost.filter(({ volumeId, why }) => {
    const disk = seen.get(volumeId);
    return why === 'no-disk' ? disk === undefined : disk?.fileExists === false;
  });
}

function cut(findings: Findings): Findings {
  const { staleAttachments, missingExports, orphans, lostVolumes, problems } = findings;
  return {
    staleAttachments: staleAttachments.slice(0, MOST_FINDINGS),
    missingExports: missingExports.slice(0, MOST_FINDINGS),
    orphans: orphans.slice(0, MOST_FINDINGS),
    lostVolumes: lostVolumes.slice(0, MOST_FINDINGS),
    problems: problems.slice(0, MOST_FINDINGS),
  };
}

function countSeen(clusterId: ClusterId, { volumes }: ArraySurvey, view: ClusterView | undefined): FindingsDto['seen'] {
  const ours = volumes.filter(({ record }) => record?.clusterId === clusterId);
  const attachments = ours.reduce((sum, { record }) => sum + (record?.attachments.length ?? 0), 0);
  const seen = { volumes: ours.length, attachments };
  return view ? { ...seen, persistentVolumes: view.volumes.length, nodes: view.nodes.length } : seen;
}
