import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Driver, startDriver } from '../kit/driver';
import { CONTROLLER_PART, runCsiSanity } from '../kit/sanity';
import { startNodeStandIn } from '../kit/sanity-node';

let driver: Driver;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-node-'));
  driver = await startDriver();
});

afterAll(async () => {
  await driver.stop();
  await rm(folder, { recursive: true, force: true });
});

it.each(['mount', 'block'] as const)(
  'csi-sanity: the controller’s part, %s volumes',
  async (accessType) => {
    const node = await startNodeStandIn({ socketPath: path.join(folder, `${accessType}.sock`), nodeId: 'node-a' });
    try {
      const result = await runCsiSanity({
        endpoint: node.endpoint,
        controllerEndpoint: `unix:${driver.controller.socketPath}`,
        focus: CONTROLLER_PART,
        accessType,
      });
      expect(result.failures).toEqual([]);
      expect(result.passed).toBeGreaterThan(30);
      expect((await driver.csi.listVolumes({})).entries).toEqual([]);
    } finally {
      await node.stop();
    }
  },
  600_000,
);
