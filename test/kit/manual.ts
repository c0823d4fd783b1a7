import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LoggedScript } from '../../src/simulator';

interface MenuNames {
  readonly commands: readonly string[];
  readonly arguments: readonly string[];
  readonly readOnly?: readonly string[];
}

/** What MikroTik's manual knows of each menu; copied by hand from its CLI reference, and shared with nothing that it judges. */
const manual: Readonly<Record<string, MenuNames>> = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/routeros-manual.json'), 'utf8'),
);

/** Words of `print` and `find` that every menu has (MikroTik's manual, "Print parameters"). */
const EVERYWHERE: readonly string[] = ['.id', 'numbers', 'proplist', 'where', 'detail', 'as-value'];

/** Everything in the scripts that the manual does not know, a line each: menu, command and name. */
export function unknownToTheManual(scripts: readonly LoggedScript[]): string[] {
  const unknown = scripts.flatMap(({ commands }) =>
    commands.flatMap(({ menu, command, arguments: given, flags, properties }) => {
      const names = manual[menu];
      if (!names) return [`${menu}: no such menu`];
      if (!names.commands.includes(command)) return [`${menu}/${command}: no such command`];
      const known = [...names.arguments, ...(names.readOnly ?? []), ...EVERYWHERE];
      const used = [...given.map(({ name }) => name), ...flags, ...properties];
      return used.filter((name) => !known.includes(name)).map((name) => `${menu}/${command}: no ${name}`);
    }),
  );
  return [...new Set(unknown)];
}
