import { describe, expect, it } from '@jest/globals';
import { startDevArgs } from './start-dev';

const options = { ip: '127.0.0.1', port: 7233, uiPort: 8233, namespace: 'default' };

/** The values that an option is given, in order. */
function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ''] : []));
}

describe('startDevArgs', () => {
  const args = startDevArgs({ ...options, dbFilename: '/var/lib/rds-csi/temporal.db' });

  it.each([
    ['--ip', ['127.0.0.1']],
    ['--port', ['7233']],
    ['--ui-port', ['8233']],
    ['--namespace', ['default']],
    ['--db-filename', ['/var/lib/rds-csi/temporal.db']],
    ['--sqlite-pragma', ['journal_mode=wal', 'synchronous=normal']],
    ['--search-attribute', ['VolumeId=Keyword', 'NodeId=Keyword']],
  ])('gives %s', (option, values) => expect(valuesOf(args, option)).toEqual(values));

  it('does without a file, and its pragmas, if there is none', () => {
    const inMemory = startDevArgs({ ...options, dbFilename: undefined });
    expect(valuesOf(inMemory, '--db-filename')).toEqual([]);
    expect(valuesOf(inMemory, '--sqlite-pragma')).toEqual([]);
  });
});
