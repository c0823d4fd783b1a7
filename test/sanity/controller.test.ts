import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, startDriver } from '../kit/driver';
import { CONTROLLER_PART, hasCsiSanity, runCsiSanity } from '../kit/sanity';
import { startNodeStandIn } from '../kit/sanity-node';
import { startTestNode } from '../kit/worker';

let driver: Driver;
let folder: string;
let node: Awaited<ReturnType<typeof startTestNode>>;

(hasCsiSanity ? describe : describe.skip)('csi-sanity against the controller process', () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-node-'));
    driver = await startDriver({ config: { nodeCheck: 'task-queue' } });
    node = await startTestNode(driver.temporal, 'node-a');
  });

  afterAll(async () => {
    await node.stop();
    await driver.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['mount', 'block'] as const)(
    'the controller’s part, %s volumes',
    async (accessType) => {
      const standIn = await startNodeStandIn({ socketPath: path.join(folder, `${accessType}.sock`), nodeId: 'node-a' });
      try {
        const result = await runCsiSanity({
          endpoint: standIn.endpoint,
          controllerEndpoint: `unix:${driver.controller.socketPath}`,
          focus: CONTROLLER_PART,
          accessType,
        });
        expect(result.failures).toEqual([]);
        expect(result.passed).toBeGreaterThan(30);
        expect((await driver.csi.listVolumes({})).entries).toEqual([]);
      } finally {
        standIn.stop();
      }
    },
    600_000,
  );
});
