import { findProperty, MANUAL, type MenuManual } from '../manual';
import { Refusal } from '../script/errors';
import type { MenuCall, Outcome } from '../script/runtime';
import { array, id, isEmpty, list, NOTHING, num, textOf, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import { BtrfsFilesystemMenu, BtrfsSubvolumeMenu } from './btrfs-menus';
import { DiskMenu } from './disk-menu';
import { FileMenu } from './file-menu';
import { detail, single, table } from './format';
import type { Menu, Row } from './row';
import { IdentityMenu, LogMenu, ResourceMenu } from './system-menus';

/** What a console keeps between commands. */
export interface ConsoleState {
  /** What the last `print` of a menu showed, by number. */
  readonly listings: Map<string, readonly string[]>;
  /** Columns of the terminal; undefined where there is none. */
  readonly width: number | undefined;
}

const NO_TERMINAL_WIDTH = 80;
const silent = (value: Value): Outcome => ({ value, output: '', always: false });

/** Runs commands of menus on an array. */
export class MenuEngine {
  private readonly menus: ReadonlyMap<string, Menu>;

  constructor(
    private readonly array: DiskArray,
    startedAt: () => Date,
  ) {
    const menus = [
      new DiskMenu(array),
      new BtrfsFilesystemMenu(array),
      new BtrfsSubvolumeMenu(array),
      new FileMenu(array),
      new LogMenu(array),
      new IdentityMenu(array),
      new ResourceMenu(startedAt),
    ];
    this.menus = new Map(menus.map((menu) => [menu.path, menu]));
  }

  /** Throws Refusal. Whatever it changes it changes at once: no other command comes between. */
  async run(call: MenuCall, state: ConsoleState): Promise<Outcome> {
    const menu = this.menus.get(call.menu);
    const manual = MANUAL[call.menu];
    if (!menu || !manual) throw new Refusal(`bad command name ${call.menu}`);
    switch (call.command) {
      case 'print':
        return this.print(call, { menu, manual, state });
      case 'find':
        return silent(list((await this.matching(menu, call)).map((row) => id(row.id))));
      case 'get':
        return silent(this.get(call, { menu, manual, state }));
      case 'add':
        if (!menu.add) throw new Refusal('failure: can not add');
        return silent(id(menu.add(call.named)));
      case 'debug':
      case 'info':
      case 'warning':
      case 'error':
        this.array.write(`script,${call.command}`, textOf(call.named.get('message') ?? call.positional[0] ?? NOTHING));
        return silent(NOTHING);
      default:
        this.change(call, { menu, manual, state });
        return silent(NOTHING);
    }
  }

  private async matching(menu: Menu, call: MenuCall): Promise<readonly Row[]> {
    const rows = menu.rows();
    if (!call.matches) return rows;
    const found: Row[] = [];
    for (const row of rows) if (await call.matches(this.readable(menu, row))) found.push(row);
    return found;
  }

  /** Every property of the menu, so that one which an item has not is nothing and hides a variable of its name. */
  private readable(menu: Menu, row: Row): ReadonlyMap<string, Value> {
    const manual = MANUAL[menu.path];
    const names = [...Object.keys(manual?.arguments ?? {}), ...Object.keys(manual?.readOnly ?? {})];
    return new Map([...names.map((name) => [name, NOTHING] as const), ...row.values]);
  }

  private change(call: MenuCall, { menu, manual, state }: Context): void {
    const targets = manual.single ? menu.rows() : this.targets(call, { menu, manual, state });
    const set = (values: ReadonlyMap<string, Value>, taken: readonly string[]) => {
      if (!menu.set && targets.length > 0) throw new Refusal('failure: can not change');
      for (const row of targets) menu.set?.(row, { values, taken });
    };
    const values = new Map([...call.named].filter(([name]) => name !== 'numbers'));
    switch (call.command) {
      case 'set':
        return set(values, call.taken);
      case 'unset':
        return set(new Map(), [textOf(call.named.get('value-name') ?? call.positional[1] ?? NOTHING)]);
      case 'enable':
      case 'disable':
        return set(new Map([['disabled', { type: 'bool', value: call.command === 'disable' }]]), []);
      case 'remove':
        for (const row of targets) {
          if (!menu.remove) throw new Refusal('failure: can not remove');
          menu.remove(row);
        }
        return;
      default:
        throw new Refusal(`failure: ${call.menu}/${call.command} is not simulated`);
    }
  }

  /** The items that are meant: by `*1F`, by name, by the number in the last listing. Nothing means none. */
  private targets(call: MenuCall, { menu, state }: Context): readonly Row[] {
    const given = call.named.get('numbers') ?? call.named.get('number') ?? call.positional[0] ?? NOTHING;
    const rows = menu.rows();
    return references(given).map((reference) => {
      const listed = /^\d+$/.test(reference) ? state.listings.get(menu.path)?.[Number(reference)] : undefined;
      const isId = /^\*[0-9A-Fa-f]+$/.test(reference);
      const row = rows.find((each) =>
        isId ? each.id === reference.toUpperCase() : each.name === reference || each.id === listed,
      );
      if (!row) throw new Refusal(isId ? 'no such item (4)' : 'no such item');
      return row;
    });
  }

  private get(call: MenuCall, context: Context): Value {
    const { menu, manual } = context;
    const rows = manual.single ? menu.rows() : this.targets(call, context);
    const [row] = rows;
    if (!row) throw new Refusal('no such item');
    if (rows.length > 1) throw new Refusal('invalid internal item number');
    const name = call.named.get('value-name') ?? call.positional[manual.single ? 0 : 1];
    if (!name) return array([], row.values);
    if (findProperty(manual, textOf(name)) === undefined)
      throw new Refusal('input does not match any value of value-name');
    return row.values.get(textOf(name)) ?? NOTHING;
  }

  private async print(call: MenuCall, { menu, manual, state }: Context): Promise<Outcome> {
    const from = call.named.has('from')
      ? this.targets({ ...call, positional: [call.named.get('from') ?? NOTHING] }, { menu, manual, state })
      : [];
    const rows = (await this.matching(menu, call)).filter(
      (row) => from.length === 0 || from.some(({ id }) => id === row.id),
    );
    if (call.flags.has('count-only')) {
      return { value: num(BigInt(rows.length)), output: `${rows.length}\r\n`, always: false };
    }
    const properties = proplist(call, manual);
    if (call.flags.has('as-value')) {
      const value = list(
        rows.map((row) => dictionary(row, properties ?? (call.flags.has('detail') ? undefined : row.columns))),
      );
      return { value, output: `${textOf(value)}\r\n`, always: false };
    }
    state.listings.set(
      menu.path,
      rows.map((row) => row.id),
    );
    const [row] = rows;
    if (manual.single && row) return { value: NOTHING, output: single(row, manual), always: true };
    const isTable = !call.flags.has('detail') && !call.flags.has('terse');
    const form = isTable ? table : detail;
    // without a terminal long lines are broken, but nothing is cut
    const width = call.flags.has('terse') ? undefined : (state.width ?? (isTable ? undefined : NO_TERMINAL_WIDTH));
    return { value: NOTHING, output: form(rows, { manual, width, properties }), always: true };
  }
}

interface Context {
  readonly menu: Menu;
  readonly manual: MenuManual;
  readonly state: ConsoleState;
}

function references(given: Value): readonly string[] {
  if (given.type === 'array') return [...given.items, ...given.keyed.values()].flatMap(references);
  if (isEmpty(given)) return [];
  return given.type === 'str' ? given.value.split(',') : [textOf(given)];
}

function proplist(call: MenuCall, manual: MenuManual): readonly string[] | undefined {
  const given = call.named.get('proplist');
  if (!given) return undefined;
  const names = references(given);
  if (names.some((name) => findProperty(manual, name) === undefined)) {
    throw new Refusal('input does not match any value of proplist', 'proplist');
  }
  return names;
}

/** `.id` is always there; what an item has not is left out. */
function dictionary(row: Row, names: readonly string[] | undefined): Value {
  const values = names ? new Map(names.map((name) => [name, row.values.get(name)])) : row.values;
  const present = [...values].flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return array([], [['.id', id(row.id)], ...present.filter(([, value]) => value.type !== 'nothing')]);
}
