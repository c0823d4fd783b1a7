import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Client } from 'ssh2';
import type { SimulatedRds } from '../../src/cli/simulated-rds';

/** Runs a command on the RDS as a person does who logs in. Rejects with what it prints, if it prints anything: it has failed then. */
export async function typeCommand(
  { sshPort, user, passwordFile }: Pick<SimulatedRds, 'sshPort' | 'user' | 'passwordFile'>,
  command: string,
): Promise<void> {
  const client = new Client();
  const password = readFileSync(passwordFile, 'utf8').trim();
  client.connect({ host: '127.0.0.1', port: sshPort, username: user, password });
  await once(client, 'ready');
  try {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      let printed = '';
      channel.on('data', (bytes: Buffer) => {
        printed += bytes.toString();
      });
      channel.on('close', () => resolve(printed));
    });
    const printed = (await promise).trim();
    if (printed !== '') throw new Error(`${command}: ${printed}`);
  } finally {
    client.end();
  }
}
