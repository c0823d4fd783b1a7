import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Download, getTemporalExecutable } from './executable';
import { TEMPORAL_TOOL, toolPathOf } from './go-tool';

let folder: string;
let env: NodeJS.ProcessEnv;
let lines: string[];
const log = (line: string) => lines.push(line);
const cached = () => toolPathOf(TEMPORAL_TOOL, env);

async function writeProgram(file: string, script = ''): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}
const offline: Download = async () => 'name not resolved';
const unused: Download = async () => {
  throw new Error('a download was not expected');
};

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-temporal-'));
  env = { PATH: path.join(folder, 'bin'), XDG_CACHE_HOME: path.join(folder, 'cache') };
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('getTemporalExecutable', () => {
  it('prefers the program on PATH', async () => {
    await writeProgram(path.join(folder, 'bin/temporal'));
    await writeProgram(cached());
    expect(await getTemporalExecutable({ env, log, download: unused })).toBe(path.join(folder, 'bin/temporal'));
    expect(lines).toEqual([]);
  });

  it('then the cached one', async () => {
    await writeProgram(cached());
    expect(await getTemporalExecutable({ env, log, download: unused })).toBe(cached());
    expect(lines).toEqual([]);
  });

  it('then downloads it, and says so', async () => {
    const download: Download = async (file) => {
      await writeProgram(file);
      return undefined;
    };
    expect(await getTemporalExecutable({ env, log, download })).toBe(cached());
    expect(lines).toEqual([expect.stringContaining('downloading')]);
  });

  it('then builds it, and says so', async () => {
    await writeProgram(path.join(folder, 'bin/go'), '/bin/cp "$0" "$GOBIN/temporal"');
    expect(await getTemporalExecutable({ env, log, download: offline })).toBe(cached());
    expect(lines.join('\n')).toMatch(
      /download failed \(name not resolved\)[^]*building temporal 1\.5\.1 from source, once/,
    );
  });

  it('tells everything that it tried', async () => {
    const executable = getTemporalExecutable({ env, log, download: offline });
    await expect(executable).rejects.toThrow(
      /TEMPORAL_ADDRESS is not set.*no temporal on PATH.*download failed \(name not resolved\).*no go on PATH/,
    );
  });

  it('builds nothing once it is not wanted', async () => {
    await writeProgram(path.join(folder, 'bin/go'), 'exit 1');
    const abort = new AbortController();
    const download: Download = async () => {
      abort.abort();
      return 'aborted';
    };
    await expect(getTemporalExecutable({ env, log, signal: abort.signal, download })).rejects.toThrow(/abort/i);
  });
});
