import { rm } from 'node:fs/promises';
import { takeRunServer } from './temporal-run';

/** jest's globalTeardown: the end of what temporal-setup.ts began. */
export default async function stopRunServer(): Promise<void> {
  const run = takeRunServer();
  if (!run) return;
  await run.server.stop();
  await rm(run.folder, { recursive: true, force: true });
}
