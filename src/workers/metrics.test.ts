import { describe, expect, it } from '@jest/globals';
import { parseNodeId } from '../domain/nqn';
import { parseClusterId } from '../domain/record';
import { parseBytes } from '../domain/size';
import type { Volume } from '../domain/volume';
import { parseVolumeId } from '../domain/volume-id';
import { createControllerMetrics } from './metrics';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');

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

  it('counts attachments and migrations by what became of them', async () => {
    const { registry, observeAttachment, observeOutcome } = createControllerMetrics();
    const event = { seconds: 0.2, volumeId, nodeIds: [parseNodeId('a', 'node')], claim: undefined };
    observeAttachment({ ...event, operation: 'attach', status: 'success' });
    observeAttachment({ ...event, operation: 'attach', status: 'failure' });
    observeAttachment({ ...event, operation: 'detach', status: 'success' });
    observeAttachment({ ...event, operation: 'clear', status: 'success' });
    observeAttachment({ ...event, operation: 'clear', status: 'failure' });
    observeOutcome({ kind: 'attachment-conflict' });
    observeOutcome({ kind: 'migration', result: 'success', seconds: 12 });
    observeOutcome({ kind: 'migration', result: 'timeout', seconds: 300 });
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_attachment_attach_total{status="success"} 1');
    expect(text).toContain('rds_csi_attachment_attach_total{status="failure"} 1');
    expect(text).toContain('rds_csi_attachment_detach_total{status="success"} 1');
    expect(text).toContain('rds_csi_attachment_stale_cleared_total 1');
    expect(text).toContain('rds_csi_attachment_conflicts_total 1');
    expect(text).toContain('rds_csi_attachment_operation_duration_seconds_count{operation="attach"} 2');
    expect(text).toContain('rds_csi_migration_migrations_total{result="success"} 1');
    expect(text).toContain('rds_csi_migration_migrations_total{result="timeout"} 1');
    expect(text).toContain('rds_csi_migration_duration_seconds_sum 12');
  });

  it('counts the migrations of the last list, and has no sample before the first', async () => {
    const { registry, sampleVolumes } = createControllerMetrics();
    const clusterId = parseClusterId('c1', 'clusterId');
    const volumeWith = (...nodes: string[]): Volume => ({
      volumeId,
      sizeBytes: parseBytes(1n, 'size'),
      filePath: '/x',
      nqn: 'nqn',
      nvmePort: 4420,
      exported: true,
      allowedHost: '',
      fileExists: undefined,
      comment: '',
      recordProblem: undefined,
      record: {
        clusterId,
        claim: undefined,
        attachments: nodes.map((node) => ({
          nodeId: parseNodeId(node, 'node'),
          accessMode: 'multi-node-multi-writer',
          readOnly: false,
          content: 'block',
        })),
      },
    });
    const active = async () => /^rds_csi_migration_active_migrations (\d+)/m.exec(await registry.metrics())?.[1];
    expect(await active()).toBeUndefined();
    sampleVolumes([volumeWith('a', 'b'), volumeWith('a'), volumeWith()], clusterId);
    expect(await active()).toBe('1');
    sampleVolumes([volumeWith('a', 'b')], parseClusterId('another', 'clusterId'));
    expect(await active()).toBe('0');
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
