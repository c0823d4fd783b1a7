import { writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findOnPath, type GoTool, installGoTool, isExecutable, toolPathOf } from './go-tool';

const tool: GoTool = {
  name: 'probe',
  version: '1.2.3',
  source: { kind: 'published', packagePath: 'example.org/probe' },
  buildTime: 'no time',
};

let folder: string;
let env: NodeJS.ProcessEnv;
let lines: string[];
const log = (line: string) => lines.push(line);
const file = () => path.join(folder, 'cache/rds-csi/probe-1.2.3/probe');

/** A `go` on PATH that does what the script says, and leaves its arguments in a file, a line for each run. */
async function installGo(script: string): Promise<void> {
  const go = path.join(folder, 'bin/go');
  await writeFile(go, `#!/bin/sh\necho "$@" >>"${folder}/runs"\n${script}\n`);
  await chmod(go, 0o755);
}
const runs = async () => (await readFile(path.join(folder, 'runs'), 'utf8')).trim().split('\n');
const BUILD = 'printf "#!/bin/sh\\n" >"$GOBIN/probe" && chmod 755 "$GOBIN/probe"';

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rds-csi-go-tool-'));
  await mkdir(path.join(folder, 'bin'));
  env = { PATH: `${folder}/bin:/usr/bin:/bin`, XDG_CACHE_HOME: path.join(folder, 'cache'), HOME: folder };
  lines = [];
  await installGo(BUILD);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('toolPathOf', () => {
  it.each([
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: '/c', HOME: '/h' }, '/c/rds-csi/probe-1.2.3/probe'],
    ['HOME', { HOME: '/h' }, '/h/.cache/rds-csi/probe-1.2.3/probe'],
    ['an empty XDG_CACHE_HOME', { XDG_CACHE_HOME: '', HOME: '/h' }, '/h/.cache/rds-csi/probe-1.2.3/probe'],
  ])('goes by %s', (_fact, env, expected) => expect(toolPathOf(tool, env)).toBe(expected));
});

describe('findOnPath', () => {
  it('finds a program, and neither a folder nor a file that may not be run', async () => {
    await writeFile(path.join(folder, 'bin/plain'), '');
    await mkdir(path.join(folder, 'bin/folder'));
    expect(await findOnPath('go', env)).toBe(path.join(folder, 'bin/go'));
    expect(await findOnPath('plain', env)).toBeUndefined();
    expect(await findOnPath('folder', env)).toBeUndefined();
    expect(await findOnPath('go', {})).toBeUndefined();
  });
});

describe('installGoTool', () => {
  it('builds the version asked for, says so, and leaves nothing else behind', async () => {
    expect(await installGoTool({ tool, env, log })).toBe(file());
    expect(await isExecutable(file())).toBe(true);
    expect(await runs()).toEqual(['install example.org/probe@v1.2.3']);
    expect(lines[0]).toContain('go install example.org/probe@v1.2.3');
    expect(await readdir(path.join(folder, 'cache/rds-csi'))).toEqual(['probe-1.2.3']);
  });

  it('builds a module of this project where it lies', async () => {
    await installGo('while [ "$1" != -o ]; do shift; done; printf "#!/bin/sh\\n" >"$2" && chmod 755 "$2"');
    const source = { kind: 'own', folder: '/project/probe', linkerFlags: '-X main.version=1' } as const;
    expect(await installGoTool({ tool: { ...tool, source }, env, log })).toBe(file());
    expect(await isExecutable(file())).toBe(true);
    expect((await runs())[0]).toMatch(/^build -C \/project\/probe -ldflags -s -w -X main\.version=1 -o \S+\/probe \.$/);
  });

  it('builds once', async () => {
    await installGoTool({ tool, env, log });
    await installGoTool({ tool, env, log });
    expect(await runs()).toHaveLength(1);
  });

  it('builds once for two at the same time; the second says that it waits', async () => {
    await installGo(`while [ -e "${folder}" ] && [ ! -e "${folder}/go-on" ]; do sleep 0.05; done; ${BUILD}`);
    const goOn = (line: string) => {
      log(line);
      if (line.includes('waiting')) writeFileSync(path.join(folder, 'go-on'), '');
    };
    const first = installGoTool({ tool, env, log: goOn });
    const second = installGoTool({ tool, env, log: goOn });
    expect(await Promise.all([first, second])).toEqual([file(), file()]);
    expect(await runs()).toHaveLength(1);
    expect(lines).toContain('another process builds probe: waiting for it');
  });

  it('takes over the lock of a process that died', async () => {
    await mkdir(path.join(folder, 'cache/rds-csi'), { recursive: true });
    const lockFile = path.join(folder, 'cache/rds-csi/probe-1.2.3.lock');
    await writeFile(lockFile, '');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(lockFile, longAgo, longAgo);
    expect(await installGoTool({ tool, env, log })).toBe(file());
  });

  it('tells what go said when it fails, and can be tried again', async () => {
    await installGo('echo "no such module" >&2; exit 1');
    await expect(installGoTool({ tool, env, log })).rejects.toThrow(
      /go install example.org\/probe@v1.2.3 failed:\nno such module/,
    );
    expect(await readdir(path.join(folder, 'cache/rds-csi'))).toEqual([]);
    await installGo(BUILD);
    expect(await installGoTool({ tool, env, log })).toBe(file());
  });

  it('ends a build that is no longer wanted', async () => {
    await installGo('exec sleep 600');
    const abort = new AbortController();
    const install = installGoTool({ tool, env, signal: abort.signal, log: () => abort.abort() });
    await expect(install).rejects.toThrow(/abort/i);
    expect(await readdir(path.join(folder, 'cache/rds-csi'))).toEqual([]);
  });
});
