import { expect, it } from '@jest/globals';
import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { describePending } from './pending';

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

const started: PendingActivity = { attempt: 1, lastStartedTime: { seconds: 1 as never } };
const failure = { message: 'the RDS is away' };
const busy = { payloads: [defaultPayloadConverter.toPayload('the RDS cannot be reached since 03:00')] };

it.each<[string, string, PendingActivity[], string]>([
  ['nothing yet', 'volume/v', [], 'it waits for a controller to work on it'],
  [
    'a step of a controller that nobody has begun',
    'volume/v',
    [{ attempt: 1 }],
    'attachVolume waits for a free worker of a controller',
  ],
  [
    'a step of a node that nobody has begun',
    'volume/v/node/a.b',
    [{}],
    'attachVolume waits for a free worker of node a.b',
  ],
  ['a migration, which is no node', 'volume/v/migration', [{}], 'attachVolume waits for a free worker of a controller'],
  ['a step that is at work', 'volume/v/node/a.b', [started], 'attachVolume, attempt 1, no failure so far'],
  [
    'one that says what it waits for',
    'volume/v',
    [{ ...started, heartbeatDetails: busy }],
    'attachVolume, attempt 1: the RDS cannot be reached since 03:00',
  ],
  [
    'a next attempt that nobody has begun',
    'volume/v',
    [{ attempt: 2, lastFailure: failure }],
    'attachVolume, attempt 2, last failure: the RDS is away',
  ],
])('tells of %s', (_fact, workflowId, activities, words) => {
  const pendingActivities = activities.map((activity) => ({ activityType: { name: 'attachVolume' }, ...activity }));
  const description = { type: 'publishVolume', workflowId, runId: 'r', raw: { pendingActivities } };
  expect(describePending('v', description as unknown as WorkflowExecutionDescription)).toBe(
    `publishVolume of v is under way and goes on by itself: ${words} (workflow ${workflowId}, run r)`,
  );
});
