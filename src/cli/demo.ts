import { once } from 'node:events';
import { Command } from 'commander';
import { formatMs, tellStory } from './demo-story';
import { type Embedded, startEmbedded } from './embedded';
import { findWhyNoNode } from './embedded-node';
import { runUntilStopped } from './stop-signal';

interface DemoFlags {
  readonly keep?: boolean;
}

/** `rds-csi demo`: everything embedded, a volume's life with an outage of the RDS in it. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('Shows a volume’s life with everything on this machine: no hardware, no Kubernetes, no root')
    .option('--keep', 'stay up afterwards, so that you can look around; Ctrl-C ends it')
    .action(async ({ keep = false }: DemoFlags) => {
      const onStop = (): void => tell('\nstopping …');
      await runUntilStopped((signal) => demo({ keep, signal }), {
        onStop,
        target: process,
        exit: (code) => process.exit(code),
      });
    });
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function demo({ keep, signal }: { readonly keep: boolean; readonly signal: AbortSignal }): Promise<void> {
  tell('Starting Temporal, a simulated RDS and the controller …');
  const begun = performance.now();
  const embedded = await startEmbedded({ tell: (line) => tell(`  ${line}`), signal });
  try {
    tell(`  ready (${formatMs(performance.now() - begun)})`);
    tellWhere(embedded);
    const story = tellStory({ csi: embedded.csi, rds: embedded.rds, node: embedded.node, tell });
    const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    const steps = await Promise.race([story, stopped.then(() => undefined)]);
    if (!steps) return;
    tell('\nWhat took how long:');
    for (const { title, ms } of steps) tell(`  ${formatMs(ms).padStart(8)}  ${title}`);
    tellWhatNext(embedded, keep);
    if (keep) await stopped;
  } finally {
    await embedded.stop();
  }
}

function tellWhere({ temporal, rds, socketPath, node }: Embedded): void {
  tell(`  Temporal    ${temporal.address}${temporal.uiUrl ? `, Web UI ${temporal.uiUrl}` : ''}`);
  tell(
    `  RDS         127.0.0.1:${rds.sshPort}, a simulated RouterOS; user ${rds.user}, password in ${rds.passwordFile}`,
  );
  tell(`  controller  ${socketPath}`);
  const whyNoNode = findWhyNoNode();
  tell(
    `  node        ${node ? `${node.nodeId}, on loop devices` : `none, so staging and publishing are left out: ${whyNoNode}`}\n`,
  );
}

function tellWhatNext({ temporal, rds, folder }: Embedded, keep: boolean): void {
  const where = temporal.uiUrl ? `${temporal.uiUrl}/namespaces/${temporal.namespace}/workflows` : temporal.address;
  tell('\nEach operation is a workflow in the Temporal Web UI, with every attempt and its failure:');
  tell(`  ${where}`);
  tell('  Look for the createVolume that waited for the RDS; `VolumeId = "pvc-…"` finds all of one volume.');
  if (!keep) {
    tell('Everything is stopped now; `npm run demo -- --keep` stays up, so that you can look.');
    return;
  }
  tell('Everything stays up until Ctrl-C. Meanwhile:');
  tell(
    `  ssh -p ${rds.sshPort} ${rds.user}@127.0.0.1        the simulated RDS; its password is in ${rds.passwordFile}`,
  );
  tell(`  ${folder}/controller.log`);
}
