/** What of a Node matters to attachments, at one moment. */
export interface NodeSnapshot {
  readonly nodeId: string;
  /** Another one under the same name is another Node: the first was deleted. */
  readonly uid: string;
  readonly ready: boolean;
  readonly outOfService: boolean;
}

/** What happened to a node, so that somebody should look at its attachments. */
export interface NodeChange {
  readonly nodeId: string;
  /** `ready-again`: its condition Ready is True, was not before, and had been at some time. */
  readonly what: 'not-ready' | 'deleted' | 'out-of-service' | 'ready-again';
}

/** A Node as it was last seen. */
export interface SeenNode extends NodeSnapshot {
  /** Whether it was ready at some time: a new node that is not yet ready is not lost. */
  readonly wasReady: boolean;
}

/** What happened between two looks at the Node of one name. One that was not there before is no change, ready or not. */
export function changesOf(before: SeenNode | undefined, after: NodeSnapshot | undefined): readonly NodeChange[] {
  if (!before) return [];
  const { nodeId } = before;
  if (!after || after.uid !== before.uid) return [{ nodeId, what: 'deleted' }];
  const changes: NodeChange[] = [];
  if (before.ready && !after.ready) changes.push({ nodeId, what: 'not-ready' });
  if (!before.ready && after.ready && before.wasReady) changes.push({ nodeId, what: 'ready-again' });
  if (!before.outOfService && after.outOfService) changes.push({ nodeId, what: 'out-of-service' });
  return changes;
}

/** The nodes as last seen, and what each further look changes. Nothing is a change before the first list is there. */
export class SeenNodes {
  #nodes: Map<string, SeenNode> | undefined;

  /** Whether the first list is there. */
  get known(): boolean {
    return this.#nodes !== undefined;
  }

  /** All nodes there are: whichever was there before and is not among them was deleted meanwhile. */
  seeAll(nodes: readonly NodeSnapshot[]): readonly NodeChange[] {
    const before = this.#nodes;
    // Of those in the first list nobody knows what they were before: they count as nodes that were ready once.
    const seen = nodes.map((node) => (before ? seenAfter(before.get(node.nodeId), node) : { ...node, wasReady: true }));
    const after = new Map(seen.map((node) => [node.nodeId, node]));
    this.#nodes = after;
    return [...(before ?? [])].flatMap(([nodeId, node]) => changesOf(node, after.get(nodeId)));
  }

  /** One node, as it is now. */
  see(node: NodeSnapshot): readonly NodeChange[] {
    if (!this.#nodes) return [];
    const before = this.#nodes.get(node.nodeId);
    this.#nodes.set(node.nodeId, seenAfter(before, node));
    return changesOf(before, node);
  }

  /** One node is gone. */
  miss(nodeId: string): readonly NodeChange[] {
    if (!this.#nodes) return [];
    const before = this.#nodes.get(nodeId);
    this.#nodes.delete(nodeId);
    return changesOf(before, undefined);
  }
}

function seenAfter(before: SeenNode | undefined, node: NodeSnapshot): SeenNode {
  const same = before?.uid === node.uid ? before : undefined;
  return { ...node, wasReady: node.ready || (same?.wasReady ?? false) };
}
