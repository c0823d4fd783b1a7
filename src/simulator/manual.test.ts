import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { MANUAL } from './manual';

interface Listed {
  readonly commands: readonly string[];
  readonly arguments: readonly string[];
  readonly readOnly?: readonly string[];
  readonly flags?: Readonly<Record<string, string>>;
  readonly types?: readonly string[];
}

const listed = JSON.parse(
  readFileSync(path.join(__dirname, '../../test/fixtures/routeros-manual.json'), 'utf8'),
) as Record<string, Listed>;

it.each(['/disk', '/file', '/disk/btrfs/subvolume', '/disk/btrfs/filesystem'])(
  '%s knows what the manual lists',
  (menu) => {
    const sorted = (names: Iterable<string> = []) => [...names].toSorted();
    const known = MANUAL[menu];
    const told = listed[menu];
    expect(sorted(known?.commands)).toEqual(sorted(told?.commands));
    expect(sorted(Object.keys(known?.arguments ?? {}))).toEqual(sorted(told?.arguments));
    expect(sorted(Object.keys(known?.readOnly ?? {}))).toEqual(sorted(told?.readOnly));
    expect(Object.fromEntries(known?.flags ?? [])).toEqual(told?.flags ?? {});
    expect(known?.values['type']).toEqual(told?.types ?? known?.values['type']);
  },
);
