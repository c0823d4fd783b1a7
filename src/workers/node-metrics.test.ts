import { describe, expect, it } from '@jest/globals';
import { parseVolumeId } from '../domain/volume-id';
import { createNodeMetrics } from './node-metrics';

const volumeId = parseVolumeId('pvc-00000000-0000-4000-8000-000000000001');

describe('createNodeMetrics', () => {
  it('shows how many sessions are lost now, and how long they were', async () => {
    const { registry, countSessions, observeSession } = createNodeMetrics();
    countSessions({ live: 2, lost: 1 });
    observeSession({ kind: 'lost', volumeId, state: 'connecting' });
    observeSession({ kind: 'back', volumeId, outageMs: 30_000 });
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_nvme_connections_active 2');
    expect(text).toContain('rds_csi_nvme_connections_lost 1');
    expect(text).toContain('rds_csi_nvme_connection_losses_total 1');
    expect(text).toContain('rds_csi_nvme_outage_duration_seconds_sum 30');
    expect(text).not.toContain(volumeId);
  });

  it('counts mounts without a device by the names that dashboards know', async () => {
    const { registry, observeStaleMount } = createNodeMetrics();
    for (const kind of ['detected', 'recovery-failed', 'recovered'] as const) observeStaleMount({ kind, volumeId });
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_stale_mounts_detected_total 1');
    expect(text).toContain('rds_csi_stale_recoveries_total{status="success"} 1');
    expect(text).toContain('rds_csi_stale_recoveries_total{status="failure"} 1');
    expect(text).not.toContain(volumeId);
  });
});
