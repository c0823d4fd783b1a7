import { defineSearchAttributeKey } from '@temporalio/common';

/** What a run can be found by in the Temporal Web UI: `VolumeId = "pvc-…"`. Registered at the server's start (temporal/). */
export const SEARCH_ATTRIBUTES = {
  VolumeId: defineSearchAttributeKey('VolumeId', 'KEYWORD'),
  NodeId: defineSearchAttributeKey('NodeId', 'KEYWORD'),
} as const;
