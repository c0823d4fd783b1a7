import { Fault } from '../domain/fault';

/**
 * Whether a namespace of Temporal is this deployment's own. Task queue, workflow IDs and the Schedule are the same for every
 * deployment: two in one namespace would do each other's work, on each other's RDS. So nothing is started, and nothing worked on,
 * before it is known.
 */
export class NamespaceClaim {
  #state: { readonly kind: 'unknown' | 'foreign'; readonly why: string } | { readonly kind: 'ours' };
  #gate = Promise.withResolvers<void>();
  readonly #onClose: (() => void)[] = [];

  constructor(private readonly namespace: string) {
    this.#state = { kind: 'unknown', why: 'it has not been asked yet' };
  }

  get isOurs(): boolean {
    return this.#state.kind === 'ours';
  }

  /** Resolves when it is ours. */
  get opened(): Promise<void> {
    return this.#gate.promise;
  }

  /** Called whenever it turns out to be somebody else's, after it was ours. */
  onClose(listener: () => void): void {
    this.#onClose.push(listener);
  }

  ours(): void {
    this.#state = { kind: 'ours' };
    this.#gate.resolve();
  }

  /** It is that of another deployment, in words for a person. */
  foreign(whose: string): void {
    const wasOurs = this.isOurs;
    this.#state = {
      kind: 'foreign',
      why:
        `the namespace ${this.namespace} of Temporal belongs to another deployment (${whose}): give each its own ` +
        '(temporalNamespace); if that one is gone for good, delete its Schedule rds-csi-reconcile',
    };
    if (!wasOurs) return;
    this.#gate = Promise.withResolvers();
    for (const listener of this.#onClose) listener();
  }

  /** Temporal did not say. What was known before stays so. */
  unknown(why: string): void {
    if (this.#state.kind === 'unknown') this.#state = { kind: 'unknown', why };
  }

  /** Throws TemporalUnreachable unless it is ours. */
  require(): void {
    if (this.#state.kind === 'ours') return;
    const { kind, why } = this.#state;
    const unknown = `Temporal does not say yet whether its namespace ${this.namespace} is this deployment's own`;
    throw new Fault('TemporalUnreachable', kind === 'foreign' ? why : `${unknown}: ${why}`);
  }
}
