import { stat } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Fault } from '../../domain/fault';
import type { Command } from './port';
import { createProcesses } from './processes';

const processes = createProcesses();
const node = (script: string, ...args: string[]): Command => ({
  file: process.execPath,
  args: ['-e', script, ...args],
  limitMs: 20_000,
});

async function faultOf(act: Promise<unknown>): Promise<Fault> {
  const error = await act.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no Fault: ${String(error)}`);
}

describe('processes', () => {
  it('hands over the exit code and both streams', async () => {
    const result = await processes.run(node('console.log("out"); console.error("err"); process.exitCode = 3'));
    expect(result).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  it('hands the arguments over as they are', async () => {
    const args = ['$(id)', '; rm -rf /', '"', "'", '*', ' ', '\n', '\\'];
    const { stdout } = await processes.run(node('console.log(JSON.stringify(process.argv.slice(1)))', ...args));
    expect(JSON.parse(stdout)).toEqual(args);
  });

  it('gives no input, English messages and nothing else of the environment', async () => {
    const script =
      'const input = require("fs").readFileSync(0, "utf8"); console.log(JSON.stringify({ input, env: process.env, cwd: process.cwd() }))';
    const { stdout } = await createProcesses({ path: '/bin' }).run(node(script));
    expect(JSON.parse(stdout)).toEqual({ input: '', env: { PATH: '/bin', LC_ALL: 'C' }, cwd: '/' });
  });

  it.each([
    ['mkfs.xfs', 'mkfs.xfs is not installed on this node; Debian has it in the package xfsprogs'],
    ['no-such-program', 'no-such-program is not installed on this node'],
  ])('says that %s is missing', async (file, message) => {
    const fault = await faultOf(createProcesses({ path: '/nowhere' }).run({ file, args: [], limitMs: 1_000 }));
    expect(fault).toMatchObject({ kind: 'NodeToolMissing', message });
  });

  it('says that a program cannot be started', async () => {
    const fault = await faultOf(processes.run({ file: '/etc', args: [], limitMs: 1_000 }));
    expect(fault).toMatchObject({ kind: 'NodeToolFailed', message: expect.stringContaining('EACCES') });
  });

  it('kills what does not end in time, with all that it started', async () => {
    const child = 'setInterval(() => undefined, 1000)';
    const script = `const { pid } = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" });
      console.error(pid); setInterval(() => undefined, 1000)`;
    const fault = await faultOf(processes.run({ ...node(script), limitMs: 1_500 }));
    expect(fault.kind).toBe('NodeTimeout');
    expect(fault.message).toMatch(/did not end within 1.5 s; it said "\d+"$/);
    const pid = Number(/"(\d+)"$/.exec(fault.message)?.[1]);
    await expectGone(pid);
  });

  it('says which signal ended a program', async () => {
    const fault = await faultOf(
      processes.run(node('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)')),
    );
    expect(fault).toMatchObject({ kind: 'NodeToolCrashed', message: expect.stringContaining('was ended by SIGTERM') });
  });

  it('ends what prints without end', async () => {
    const script = 'const line = "x".repeat(65536); const more = () => process.stdout.write(line, more); more()';
    const fault = await faultOf(processes.run(node(script)));
    expect(fault).toMatchObject({
      kind: 'NodeToolFailed',
      message: expect.stringContaining('more than 1048576 bytes'),
    });
  });

  it('hands over all that was printed, also if this process was busy while the program ended', async () => {
    const block = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    const running = processes.run({ file: 'sh', args: ['-c', 'sleep 0.3; echo out'], limitMs: 20_000 });
    // The kernel's word that some program has ended, and then something that takes long: this one ends meanwhile, and is found to have
    // ended before its output is looked for.
    process.kill(process.pid, 'SIGCHLD');
    stat('/', () => {
      setImmediate(() => block(1_000));
      block(1_000);
    });
    block(50);
    expect(await running).toEqual({ exitCode: 0, stdout: 'out\n', stderr: '' });
  });

  it('does not wait for what a program leaves running with its streams', async () => {
    const child = 'setTimeout(() => undefined, 4000)';
    const script = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit", detached: true }).unref();
      console.log("done")`;
    const startedMs = performance.now();
    expect(await processes.run(node(script))).toMatchObject({ exitCode: 0, stdout: 'done\n' });
    expect(performance.now() - startedMs).toBeLessThan(3_500);
  });
});

/** Gone, or a zombie that its adopter has not buried yet. */
async function expectGone(pid: number): Promise<void> {
  const { readFile } = await import('node:fs/promises');
  for (let left = 1_000; left > 0; left -= 1) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tX (gone)');
    if (/^State:\t[XZ]/m.test(status)) return;
  }
  throw new Error(`process ${pid} is still there`);
}
