import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { createServer } from 'node:tls';

/** Paths of PEM files: an authority, a server's and a client's certificate of it, with their keys. */
export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** Made in a folder by OpenSSL's command, which Node has no like of; valid for a day. The server's name is `temporal.test`. */
export function makeCertificates(folder: string): Certificates {
  const file = (name: string): string => path.join(folder, name);
  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '1', '-subj', '/CN=ca');
  writeFileSync(file('names'), 'subjectAltName=DNS:temporal.test\n');
  const issue = (name: string) => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'names'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed);
    return { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  };
  return { ca: file('ca.pem'), server: issue('server'), client: issue('client') };
}

/** TLS in front of a server that speaks in clear, as a load balancer has it: only callers with a certificate are let in. */
export async function startTlsProxy(certificates: Certificates, target: string) {
  const [host = '', port = ''] = target.split(':');
  const server = createServer(
    {
      ca: readFileSync(certificates.ca),
      cert: readFileSync(certificates.server.cert),
      key: readFileSync(certificates.server.key),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    },
    (socket) => {
      const upstream = connect(Number(port), host);
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
      sockets.add(socket);
    },
  );
  const sockets = new Set<{ destroy(): void }>();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    address: `127.0.0.1:${address.port}`,
    close(): void {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
