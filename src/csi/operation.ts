import { createHash } from 'node:crypto';
import type { OperationMemo, OperationName, Operations } from '../contract/operations';
import type { NodeId } from '../domain/nqn';
import type { VolumeId } from '../domain/volume-id';

/** One operation on one volume, as it is to be started or joined. */
export interface Operation<Name extends OperationName> {
  readonly name: Name;
  readonly volumeId: VolumeId;
  /** Of the one run that may be open at a time for what the operation is about. */
  readonly workflowId: string;
  /** The node that it is about; undefined if it is about no node in particular. */
  readonly nodeId: NodeId | undefined;
  readonly input: Operations[Name]['input'];
  /** A line for the Temporal Web UI. No secrets. */
  readonly summary: string;
}

/** What tells an operation from another of the same volume: SHA-256 over its name and input, whatever the order of keys. */
export function memoOf({ name, input, nodeId }: Operation<OperationName>): OperationMemo {
  const operationHash = createHash('sha256')
    .update(canonicalJson([name, input]))
    .digest('hex');
  return nodeId === undefined ? { operationHash } : { operationHash, nodeId };
}

/** `createVolume of pvc-…`, for messages. */
export function subjectOf({ name, volumeId }: { readonly name: string; readonly volumeId: string }): string {
  return `${name} of ${volumeId}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    nested !== null && typeof nested === 'object' && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
