import { describe, expect, it } from '@jest/globals';
import { createControllerMetrics } from './metrics';

describe('createControllerMetrics', () => {
  it('counts what changes a volume by the operation names that dashboards know', async () => {
    const { registry, observeRpc } = createControllerMetrics();
    observeRpc('CreateVolume', 'OK', 0.2);
    observeRpc('CreateVolume', 'ABORTED', 10);
    observeRpc('Probe', 'OK', 0.001);
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_volume_operations_total{operation="create",status="success"} 1');
    expect(text).toContain('rds_csi_volume_operations_total{operation="create",status="failure"} 1');
    expect(text).toContain('rds_csi_volume_operation_duration_seconds_count{operation="create"} 2');
    expect(text).toContain('rds_csi_grpc_requests_total{rpc="Probe",code="OK"} 1');
    expect(text).not.toContain('operation="probe"');
  });

  it('follows the connection through an outage', async () => {
    const { registry, observeConnection } = createControllerMetrics();
    const observe = observeConnection('10.0.0.1');
    const state = async () => /rds_connection_state\{address="10.0.0.1"\} (\d)/.exec(await registry.metrics())?.[1];
    observe({ kind: 'attempt-failed', reason: 'refused' });
    expect(await state()).toBe('0');
    observe({ kind: 'connected', first: true, outageMs: 2_000 });
    expect(await state()).toBe('1');
    observe({ kind: 'disconnected', reason: 'cut' });
    observe({ kind: 'connected', first: false, outageMs: 30_000 });
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_rds_reconnect_total{status="success"} 1');
    expect(text).toContain('rds_csi_rds_reconnect_total{status="failure"} 1');
    expect(text).toContain('rds_csi_rds_reconnect_duration_seconds_sum 30');
  });

  it('tells commands on the RDS apart by verb and result, and shows no sample of what never happened', async () => {
    const { registry, observeExec } = createControllerMetrics();
    expect(await registry.metrics()).not.toContain('verb=');
    observeExec({ operation: 'create', outcome: 'PoolExhausted', seconds: 3 });
    expect(await registry.metrics()).toContain(
      'rds_csi_ssh_command_duration_seconds_count{verb="create",result="PoolExhausted"} 1',
    );
  });
});
