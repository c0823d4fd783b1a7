import { describe, expect, it } from '@jest/globals';
import { Fault } from '../domain/fault';
import { parseVolumeId } from '../domain/volume-id';
import { createStageDemand, type StageDemand } from './stage-demand';

const place = {
  volumeId: parseVolumeId('pvc-6f0c7d3e-1111-4222-8333-444455556666'),
  stagingTargetPath: '/var/lib/kubelet/a/globalmount',
};
const MINUTE = 60_000;

describe('the demand for a stage', () => {
  it('is there while somebody asks, and for five minutes after', () => {
    const clock = { ms: 0 };
    const demand = createStageDemand(() => clock.ms);
    const first = demand.ask(place);
    const second = demand.ask(place);
    first();
    clock.ms = 20 * MINUTE;
    expect(kindOf(demand)).toBe('wanted');
    second();
    clock.ms = 25 * MINUTE;
    expect(kindOf(demand)).toBe('wanted');
    clock.ms += 1;
    expect(kindOf(demand)).toBe('StageUnwanted');
  });

  it('is not known before a process has been there for as long as a kubelet may wait', () => {
    const clock = { ms: 1_000 };
    const demand = createStageDemand(() => clock.ms);
    expect(kindOf(demand)).toBe('StageUnasked');
    clock.ms += 5 * MINUTE + 1;
    expect(kindOf(demand)).toBe('StageUnwanted');
    demand.ask(place);
    expect(kindOf(demand)).toBe('wanted');
  });

  it('is for this volume at this path', () => {
    const demand = createStageDemand(() => 0);
    demand.ask({ ...place, stagingTargetPath: '/var/lib/kubelet/b/globalmount' });
    expect(kindOf(demand)).toBe('StageUnasked');
  });
});

function kindOf(demand: StageDemand): string {
  try {
    demand.require(place);
    return 'wanted';
  } catch (error) {
    return error instanceof Fault ? error.kind : String(error);
  }
}
