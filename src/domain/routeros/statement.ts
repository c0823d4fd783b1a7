/** Parts of RouterOS scripts, as text: how a statement is written, not what it is about. */

/** The disk in the volume's slot; scripts declare `$s`. */
export const SLOT = 'slot=$s';

type Menu = '/disk' | '/file' | '/disk/btrfs/subvolume';

/** The whole script: what fails at run time ends up in its answer. */
export function script(statements: readonly string[]): string {
  return `:onerror e in={ ${statements.join('; ')} } do={ ${put(['"error"=$e'])} }`;
}

/** Prints one line of JSON. */
export function put(fields: readonly string[]): string {
  return `:put [:serialize to=json options=json.no-string-conversion value={${fields.join(';')}}]`;
}

/** Statements under a condition. */
export function when(condition: string, statements: readonly string[]): string {
  return `:if (${condition}) do={ ${statements.join('; ')} }`;
}

/** Statements for each row, as `$i`. */
export function forEachRow(menu: Menu, properties: string, where: string, statements: readonly string[]): string {
  return `:foreach i in=${print(menu, properties, where)} do={ ${statements.join('; ')} }`;
}

/** Run-time errors of the statements end up in a variable; the script goes on. */
export function catching(variable: string, statements: readonly string[]): string {
  return `:onerror x in={ ${statements.join('; ')} } do={ :set ${variable} $x }`;
}

/** How many items match. */
export function count(menu: Menu, where: string): string {
  return `[:len [${menu} find where ${where}]]`;
}

/** The items that match, as a list of dictionaries. */
export function print(menu: Menu, properties: string, where: string): string {
  const command = menu === '/file' ? 'print' : 'print detail';
  return `[${menu} ${command} as-value proplist=${properties} where ${where}]`;
}

/** Two fields of an answer: the rows, and how many there are. */
export function rowsAndCount(name: string, menu: Menu, properties: string, where: string): readonly string[] {
  return [`"${name}"=${print(menu, properties, where)}`, `"${name}Count"=${count(menu, where)}`];
}
