import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FileProblem, getFile, readConfigFile } from './files';

describe('files on the disk', () => {
  let folder: string;
  const at = (name: string) => path.join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'config-'));
    writeFileSync(at('ok'), 'text\n');
    chmodSync(at('ok'), 0o640);
    writeFileSync(at('large'), Buffer.alloc(1024 * 1024 + 1, 'x'));
    writeFileSync(at('limit'), Buffer.alloc(1024 * 1024, 'x'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are read with their permissions', () => {
    const { text, mode } = readConfigFile(at('ok'));
    expect(text).toBe('text\n');
    expect(mode & 0o777).toBe(0o640);
    expect(readConfigFile(at('limit')).text).toHaveLength(1024 * 1024);
  });

  it.each<[string, () => string, RegExp]>([
    ['is not there', () => at('none'), /none cannot be read: no such file or directory \(ENOENT\)$/],
    ['is below a file', () => at('ok/x'), /ok\/x cannot be read: not a directory \(ENOTDIR\)$/],
    ['is a directory', () => folder, / is a directory$/],
    ['is a device', () => '/dev/null', /^\/dev\/null is not a regular file$/],
    ['is too large', () => at('large'), /large has 1048577 bytes, at most 1048576 are read$/],
    ['has no path at all', () => '-----BEGIN', /^is no path of a file: (?!.*BEGIN)/],
    ['is named by nothing', () => '', /^is no path of a file: /],
  ])('one that %s', (_fact, file, message) => {
    expect(() => getFile(file(), readConfigFile)).toThrow(FileProblem);
    expect(() => getFile(file(), readConfigFile)).toThrow(message);
  });
});
