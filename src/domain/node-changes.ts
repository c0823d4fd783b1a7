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
  /** `ready-again`: its condition Ready is True, and was not before. */
  readonly what: 'not-ready' | 'deleted' | 'out-of-service' | 'ready-again';
}

/** What happened between two looks at the Node of one name. One that was not there before is no change, ready or not. */
export function changesOf(before: NodeSnapshot | undefined, after: NodeSnapshot | undefined): readonly NodeChange[] {
  if (!before) return [];
  const { nodeId } = before;
  if (!after || after.uid !== before.uid) return [{ nodeId, what: 'deleted' }];
  const changes: NodeChange[] = [];
  if (before.ready && !after.ready) changes.push({ nodeId, what: 'not-ready' });
  if (!before.ready && after.ready) changes.push({ nodeId, what: 'ready-again' });
  if (!before.outOfService && after.outOfService) changes.push({ nodeId, what: 'out-of-service' });
  return changes;
}

/** The nodes as last seen, and what each further look changes. Nothing is a change before the first list is there. */
export class SeenNodes {
  #nodes: Map<string, NodeSnapshot> | undefined;

  /** Whether the first list is there. */
  get known(): boolean {
    return this.#nodes !== undefined;
  }

  /** All nodes there are: whichever was there before and is not among them was deleted meanwhile. */
  seeAll(nodes: readonly NodeSnapshot[]): readonly NodeChange[] {
    const before = this.#nodes;
    const after = new Map(nodes.map((node) => [node.nodeId, node]));
    this.#nodes = after;
    return [...(before ?? [])].flatMap(([nodeId, node]) => changesOf(node, after.get(nodeId)));
  }

  /** One node, as it is now. */
  see(node: NodeSnapshot): readonly NodeChange[] {
    const before = this.#nodes?.get(node.nodeId);
    this.#nodes?.set(node.nodeId, node);
    return changesOf(before, node);
  }

  /** One node is gone. */
  miss(nodeId: string): readonly NodeChange[] {
    const before = this.#nodes?.get(nodeId);
    this.#nodes?.delete(nodeId);
    return changesOf(before, undefined);
  }
}
