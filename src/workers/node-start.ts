interface NodeStart<Server, Http, Worker> {
  /** Throws if another process serves the socket. */
  readonly serve: () => Promise<Server>;
  readonly answerProbes: () => Promise<Http>;
  readonly sweep: () => Promise<void>;
  readonly work: () => Worker;
}

/**
 * Starts a node's process. The socket is first: only one process can have it. One that cannot, and is begun anew all the time, must not
 * end sessions nor take steps beside the one that serves, for their acts on a volume take no turns. Probes are answered while the sweep
 * goes on, and the worker begins after it.
 *
 * A call that is served before the sweep is over does no harm. A stage, an unstage and a growth wait for the worker, also one that a publish
 * begins. A publish needs the note of a stage, and what has one is not swept. An unpublish may take a mount of a session without a
 * note away, as the kubelet asks, in the volume's turn: the sweep of it is before or after. Statistics only look.
 */
export async function startInOrder<Server, Http, Worker>({
  serve,
  answerProbes,
  sweep,
  work,
}: NodeStart<Server, Http, Worker>): Promise<{
  readonly server: Server;
  readonly http: Http;
  readonly worker: Worker;
}> {
  const server = await serve();
  const http = await answerProbes();
  await sweep();
  return { server, http, worker: work() };
}
