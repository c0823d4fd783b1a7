import { expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import type { ReconcileInput } from '../contract/reconcile';
import { NamespaceClaim } from './namespace-claim';
import { keepReconcileSchedule } from './reconcile-schedule';

const INPUT: ReconcileInput = { clusterId: 'c1', driverName: 'd1', graceSeconds: 30, orphanAgeSeconds: 600 };

/** A Temporal that has the Schedule already, and answers each trigger as the test says. */
function keep(answer: () => Promise<void>) {
  const stop = new AbortController();
  const triggers = { asked: 0 };
  const handle = {
    describe: () =>
      Promise.resolve({ action: { args: [INPUT], memo: { intervalSeconds: 300 } }, info: { runningActions: [] } }),
    trigger: () => {
      triggers.asked += 1;
      return answer();
    },
  };
  const client = {
    connection: { withDeadline: (_: number, act: () => Promise<void>) => act() },
    schedule: { getHandle: () => handle },
  } as unknown as Client;
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const schedule = keepReconcileSchedule({
    client,
    input: INPUT,
    intervalSeconds: 300,
    claim: new NamespaceClaim('ns'),
    logger: silent,
    signal: stop.signal,
  });
  const asked = async (times: number): Promise<void> => {
    while (triggers.asked < times) await new Promise(setImmediate);
  };
  return { schedule, triggers, asked, stop: () => stop.abort() };
}

it('triggers once more for what comes up while Temporal is being asked, be it for the same reason', async () => {
  let answered = Promise.withResolvers<void>();
  const { schedule, triggers, asked, stop } = keep(() => answered.promise);
  try {
    await asked(1);
    answered.resolve();
    answered = Promise.withResolvers();
    schedule.trigger('nodes are lost: node-a');
    await asked(2);
    // NotReady was told; now it is deleted, and the run that was asked for may have looked already.
    schedule.trigger('nodes are lost: node-a');
    answered.resolve();
    await asked(3);
    expect(triggers.asked).toBe(3);
  } finally {
    stop();
  }
});

it('asks again for what Temporal did not take', async () => {
  let fails = 1;
  const { schedule, triggers, asked, stop } = keep(() => {
    fails -= 1;
    return fails < 0 ? Promise.resolve() : Promise.reject(new Error('not now'));
  });
  try {
    await asked(1);
    schedule.trigger('the RDS is back');
    await asked(2);
    expect(triggers.asked).toBe(2);
  } finally {
    stop();
  }
});
