import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Driver, errorOf, startDriver, waitFor, waitUntilReady } from '../kit/driver';
import { freePort } from '../kit/metrics';
import { createOf, newName } from '../kit/requests';
import { startOwnTemporal } from '../kit/temporal';
import { makeCertificates, startTlsProxy } from '../kit/tls';

const MAIN = path.resolve(__dirname, '../../dist/src/cli/main.js');
const OTHER_KEY = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver();
});

const folders: string[] = [];

/** A folder that is gone after the tests: there are keys in some. */
function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-start-'));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  await driver.stop();
  for (const folder of folders) rmSync(folder, { recursive: true });
});

const serves = (csi: Driver['csi']): Promise<void> =>
  waitFor(
    async () => (await csi.probe({}, 2_000)).ready === false,
    () => 'it does not serve',
  );

describe('the controller', () => {
  it('starts while the RDS is down: it serves, is not ready, and becomes ready by itself', async () => {
    await driver.rds.stop();
    const controller = await driver.startController({ ready: false });
    await serves(controller.csi);
    expect((await controller.csi.getPluginInfo({})).name).toBe('rds.csi.srvlab.io');
    await driver.rds.start();
    await waitUntilReady(controller);
  });

  it('starts while Temporal is down: changes are UNAVAILABLE within 5 s, reads go on, and it becomes ready by itself', async () => {
    const port = await freePort();
    const config = { temporalAddress: `127.0.0.1:${port}`, temporalNamespace: 'default' };
    const controller = await driver.startController({ ready: false, config });
    await serves(controller.csi);
    const begun = Date.now();
    const error = await errorOf(controller.csi.createVolume(createOf(newName())));
    expect(Date.now() - begun).toBeLessThan(5_000);
    expect([status[error.code], error.details]).toEqual(['UNAVAILABLE', expect.stringContaining('Temporal')]);
    await waitFor(
      async () => (await controller.csi.listVolumes({})).entries.length >= 0,
      () => 'no list without Temporal',
    );
    const temporal = await startOwnTemporal({ port });
    try {
      await waitUntilReady(controller);
      const name = newName();
      expect((await controller.csi.createVolume(createOf(name))).volume?.volumeId).toBe(name);
      await temporal.stop();
      const stopped = Date.now();
      expect((await errorOf(controller.csi.deleteVolume({ volumeId: name }))).code).toBe(status.UNAVAILABLE);
      expect(Date.now() - stopped).toBeLessThan(5_000);
      await waitFor(
        async () => (await controller.csi.probe({})).ready === false,
        () => 'it is ready without Temporal',
      );
    } finally {
      await temporal.stop();
    }
  });

  it('reaches a Temporal server that wants TLS and a client certificate', async () => {
    const certificates = makeCertificates(newFolder());
    const proxy = await startTlsProxy(certificates, driver.temporal.address);
    const config = {
      temporalAddress: proxy.address,
      temporalTlsCaFile: certificates.ca,
      temporalTlsCertFile: certificates.client.cert,
      temporalTlsKeyFile: certificates.client.key,
      temporalTlsServerName: 'temporal.test',
    };
    const controller = await driver.startController({ config });
    const name = newName();
    expect((await controller.csi.createVolume(createOf(name))).volume?.volumeId).toBe(name);
    await controller.program.stop();
    proxy.close();
  });

  it('refuses an RDS with another host key, and tells the key that it saw', async () => {
    const controller = await driver.startController({ ready: false, config: { rdsHostKey: OTHER_KEY } });
    await serves(controller.csi);
    const before = (await driver.rds.scripts()).length;
    const error = await errorOf(controller.csi.getVolume({ volumeId: newName() }));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(error.details).toContain(driver.rds.fingerprint);
    expect((await driver.rds.scripts()).length).toBe(before);
    await controller.program.stop();
  });

  it('says that the RDS does not let it in with a wrong key', async () => {
    const folder = newFolder();
    const rdsPrivateKeyFile = path.join(folder, 'id_ed25519');
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', rdsPrivateKeyFile]);
    const controller = await driver.startController({
      ready: false,
      config: { rdsPrivateKeyFile, rdsPasswordFile: undefined },
    });
    await serves(controller.csi);
    const error = await errorOf(controller.csi.getVolume({ volumeId: newName() }));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(error.details).toMatch(/log.?in|authenti/i);
    await controller.program.stop();
  });

  it('with a wrong configuration names every wrong field in one message, and ends with 2', () => {
    const folder = newFolder();
    const file = path.join(folder, 'controller.yaml');
    writeFileSync(file, 'clusterId: "a b"\nvolumePaths: [relative]\nrdsPort: 0\nrdsAdress: 10.0.0.1\n');
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RDS_CSI_')));
    const ended = spawnSync(process.execPath, [MAIN, 'controller', '--config', file], { encoding: 'utf8', env });
    expect(ended.status).toBe(2);
    for (const field of ['clusterId', 'volumePaths', 'rdsPort', 'rdsAdress', 'rdsAddress', 'rdsUser', 'rdsHostKey']) {
      expect(ended.stderr).toContain(field);
    }
  });

  it('does not take over a socket that another process serves', async () => {
    const second = await driver.startController({
      ready: false,
      config: { endpoint: `unix://${driver.controller.socketPath}` },
    });
    expect(await second.program.ended).toBe(1);
    expect((await driver.csi.probe({})).ready).toBe(true);
  });
});
