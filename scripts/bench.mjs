/**
 * `npm run bench`: what the controller costs, with everything embedded (Temporal, simulated RDS, controller, each a process).
 * Prints tables for docs/performance.md. As root also the node, on loop devices. Options: `-- --volumes 50 --callers 20 --rounds 200`.
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../dist/src/cli/embedded.js';
import { findWhyNoNode } from '../dist/src/cli/embedded-node.js';

const { values } = parseArgs({
  options: {
    volumes: { type: 'string', default: '50' },
    callers: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '200' },
  },
});
const volumes = Number(values.volumes);
const callers = Number(values.callers);
const GIB = 2n ** 30n;
const capability = {
  accessType: { $case: 'mount', value: { fsType: 'ext4', mountFlags: [], volumeMountGroup: '' } },
  accessMode: { mode: 1 },
};

/** Runs an act for each item, at most `width` at a time; the time of each in milliseconds, and the whole in seconds. */
async function measure(items, width, act) {
  const times = [];
  const queue = [...items];
  const begun = performance.now();
  const work = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      const start = performance.now();
      await act(item);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return { times: times.sort((a, b) => a - b), seconds: (performance.now() - begun) / 1000 };
}

function row(name, { times, seconds }) {
  const at = (share) => `${Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))])} ms`;
  console.log(`| ${name} | ${times.length} | ${at(0.5)} | ${at(0.99)} | ${(times.length / seconds).toFixed(1)}/s |`);
}

function residentMib(pid) {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}

/** Rounds of stage and unstage of one volume: what they take, and what the node process holds after them. */
async function benchNode(csi, node) {
  const volumeId = `pvc-${randomUUID()}`;
  const stagingTargetPath = path.join(node.kubeletDir, 'plugins', volumeId, 'globalmount');
  mkdirSync(stagingTargetPath, { recursive: true });
  const volumeCapability = {
    ...capability,
    accessType: { $case: 'mount', value: { ...capability.accessType.value, fsType: node.fileSystem } },
  };
  const { volume } = await csi.createVolume({
    name: volumeId,
    capacityRange: { requiredBytes: GIB },
    volumeCapabilities: [volumeCapability],
  });
  const stage = { volumeId, stagingTargetPath, volumeContext: volume.volumeContext, volumeCapability };
  const resident = [`${residentMib(node.pid)} MiB when it serves`];
  const staging = { times: [], seconds: 0 };
  const unstaging = { times: [], seconds: 0 };
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const [kept, act] of [
      [staging, () => node.csi.stage(stage)],
      [unstaging, () => node.csi.unstage({ volumeId, stagingTargetPath })],
    ]) {
      const begun = performance.now();
      await act();
      kept.times.push(performance.now() - begun);
      kept.seconds += (performance.now() - begun) / 1000;
    }
    if (round % 50 === 0) resident.push(`${residentMib(node.pid)} MiB after ${round} rounds`);
  }
  await csi.deleteVolume({ volumeId });
  console.log('\n| RPC | calls | p50 | p99 | rate |\n|---|---|---|---|---|');
  for (const [name, kept] of [
    [`NodeStageVolume (${node.fileSystem}, loop)`, staging],
    ['NodeUnstageVolume', unstaging],
  ]) {
    row(name, { times: kept.times.sort((a, b) => a - b), seconds: kept.seconds });
  }
  console.log(`\nNode process, resident: ${resident.join(', ')}.`);
}

const embedded = await startEmbedded({ tell: (line) => console.error(line), signal: new AbortController().signal });
try {
  const { csi, controller } = embedded;
  const create = (name) =>
    csi.createVolume({ name, capacityRange: { requiredBytes: GIB }, volumeCapabilities: [capability] });
  const publish = (volumeId) => csi.publishVolume({ volumeId, nodeId: 'node-a', volumeCapability: capability });
  const expand = (volumeId) => csi.expandVolume({ volumeId, capacityRange: { requiredBytes: 2n * GIB } });
  const unpublish = (volumeId) => csi.unpublishVolume({ volumeId, nodeId: 'node-a' });
  const remove = (volumeId) => csi.deleteVolume({ volumeId });
  const acts = {
    CreateVolume: create,
    ControllerPublishVolume: publish,
    ControllerExpandVolume: expand,
    ControllerUnpublishVolume: unpublish,
    DeleteVolume: remove,
  };

  const atStart = residentMib(controller.pid);
  await create('warm-up');
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0].model}, Node ${process.version}\n`,
  );
  console.log('| RPC | calls | p50 | p99 | rate |\n|---|---|---|---|---|');
  for (const width of [1, callers]) {
    const names = Array.from({ length: volumes }, () => `pvc-${randomUUID()}`);
    for (const [name, act] of Object.entries(acts)) {
      row(`${name}, ${width} at a time`, await measure(names, width, act));
      if (act === publish)
        row(`ListVolumes, ${width} at a time`, await measure(names, width, () => csi.listVolumes({})));
    }
  }
  console.log(
    `\nController: ${atStart} MiB resident when ready, ${residentMib(controller.pid)} MiB after ${2 * volumes * 5} operations.`,
  );
  if (embedded.node) await benchNode(embedded.csi, embedded.node);
  else console.log(`\nThe node is left out: ${findWhyNoNode()}`);
} finally {
  await embedded.stop();
}
