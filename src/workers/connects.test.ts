import { expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { parseSubsystemNqn } from '../domain/nqn';
import { observeConnects } from './connects';

const nqn = parseSubsystemNqn('nqn.2000-02.com.mikrotik:pvc-00000000-0000-4000-8000-000000000001', 'nqn');

it('counts who waits for its turn to connect and what became of tries, and says so in the log', async () => {
  const registry = new Registry();
  const lines: string[] = [];
  const tell = (_fields: object, line: string) => lines.push(line);
  const observe = observeConnects({ logger: { debug: tell, info: tell, warn: tell, error: tell }, registry });
  observe({ kind: 'waits', nqn, why: 'waits for its turn to connect: why' });
  expect(await registry.metrics()).toContain('rds_csi_nvme_connects_waiting 1');
  observe({ kind: 'waited', nqn, seconds: 3 });
  observe({ kind: 'ended', nqn, ok: true, seconds: 0.3 });
  observe({ kind: 'ended', nqn, ok: false, seconds: 20 });
  const text = await registry.metrics();
  expect(text).toContain('rds_csi_nvme_connects_waiting 0');
  expect(text).toContain('rds_csi_nvme_connects_total{status="success"} 1');
  expect(text).toContain('rds_csi_nvme_connects_total{status="failure"} 1');
  expect(text).toContain('rds_csi_nvme_connect_duration_seconds_sum 0.3');
  expect(text).not.toContain('pvc-');
  expect(lines).toEqual(['waits for its turn to connect: why', 'waits for its turn to connect no longer']);
});
