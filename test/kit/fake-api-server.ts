import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What stands in the place of an API server and is none: for answers that the real one cannot be made to give. */
export interface FakeApiServer {
  readonly kubeconfig: string;
  /** Method, path and query of each request so far. */
  readonly requests: readonly string[];
  close(): void;
}

export async function startFakeApiServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<FakeApiServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-api-'));
  const kubeconfig = path.join(folder, 'kubeconfig');
  const cluster = { server: `http://127.0.0.1:${address.port}`, 'insecure-skip-tls-verify': true };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: 'x' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return {
    kubeconfig,
    requests,
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
