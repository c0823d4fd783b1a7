import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type CsiServer, startCsiServer } from '../csi/server';
import { startInOrder } from './node-start';

let folder: string;
let servers: CsiServer[];
let done: string[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-start-'));
  servers = [];
  done = [];
});
afterEach(async () => {
  for (const server of servers) await server.stop(0);
  rmSync(folder, { recursive: true });
});

/** A node's process on a real socket, which says what it does. */
function start(name: string) {
  const act = (what: string) => void done.push(`${name} ${what}`);
  return startInOrder({
    async serve() {
      const server = await startCsiServer({ socketPath: path.join(folder, 'csi.sock'), services: [] });
      servers.push(server);
      act('serves');
    },
    answerProbes: async () => act('answers probes'),
    sweep: async () => {
      await new Promise((next) => setImmediate(next));
      act('sweeps');
    },
    work: () => act('works'),
  });
}

it('sweeps when it has the socket, and works when it has swept', async () => {
  await start('one');
  expect(done).toEqual(['one serves', 'one answers probes', 'one sweeps', 'one works']);
});

it('a second process, which cannot have the socket, sweeps nothing and polls nothing, however often it is begun', async () => {
  await start('one');
  done.length = 0;
  for (const name of ['two', 'three']) await expect(start(name)).rejects.toThrow(/another process serves .*csi\.sock/);
  expect(done).toEqual([]);
});
