import { createServer } from 'node:net';

/** The metrics of a process, as Prometheus reads them. */
export interface Metrics {
  /** For the process's configuration: `httpAddress`. */
  readonly httpAddress: string;
  /** The value of a sample by its name and labels as they stand there; undefined: there is no such sample. */
  value(sample: string): Promise<number | undefined>;
}

/** Of a process that is still to be started: on a port that is free now. */
export async function metricsOnFreePort(): Promise<Metrics> {
  const httpAddress = `127.0.0.1:${await freePort()}`;
  return {
    httpAddress,
    async value(sample) {
      const text = await (await fetch(`http://${httpAddress}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
      return line === undefined ? undefined : Number(line.slice(sample.length + 1));
    },
  };
}

/** One that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
