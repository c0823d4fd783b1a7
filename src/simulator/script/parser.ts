import { isFolder, MANUAL } from '../manual';
import type { Block, Expression, Statement } from './ast';
import { Cursor } from './cursor';
import { ParseError } from './errors';
import { argumentValue, commands, parenthesised } from './expressions';
import { globalStatement } from './global-statement';
import type { Grammar } from './grammar';
import { LANGUAGE } from './language';
import { menuStatement } from './menu-statement';
import { variableName } from './strings';

/** Where a script begins: in a menu (the prompt remembers it), with the globals that are already declared. */
export interface ScriptContext {
  readonly menu: string;
  readonly declared: Iterable<string>;
}

export interface Script {
  readonly body: Block;
  /** The menu in which the script ended. */
  readonly menu: string;
}

/** Reads a whole script. Throws ParseError, before anything of it has run, in the words that RouterOS prints. */
export function parseScript(text: string, context: ScriptContext): Script {
  const parser = new Parser(new Cursor(text), context);
  const body = parser.all();
  return { body, menu: parser.menu };
}

class Parser implements Grammar {
  whereMenu: string | undefined = undefined;
  reads = new Set<string>();
  menu: string;
  private lines = false;
  private scopes: Set<string>[];

  constructor(
    readonly cursor: Cursor,
    context: ScriptContext,
  ) {
    this.menu = context.menu;
    this.scopes = [new Set(context.declared)];
  }

  space(): void {
    this.cursor.skipSpace(this.lines);
  }

  within<T>(state: { readonly lines: boolean; readonly whereMenu: string | undefined }, parse: () => T): T {
    const before = { lines: this.lines, whereMenu: this.whereMenu };
    this.lines = state.lines;
    this.whereMenu = state.whereMenu;
    try {
      return parse();
    } finally {
      this.lines = before.lines;
      this.whereMenu = before.whereMenu;
    }
  }

  all(): Block {
    const statements = this.statements(() => this.cursor.done);
    return { statements };
  }

  block(end: '}' | ']', isolated: boolean): Block {
    const menu = this.menu;
    const scopes = this.scopes;
    this.scopes = isolated ? [new Set()] : [...scopes, new Set()];
    try {
      const statements = this.within({ lines: false, whereMenu: undefined }, () =>
        this.statements(() => this.cursor.take(end)),
      );
      return { statements };
    } finally {
      this.menu = menu;
      this.scopes = scopes;
    }
  }

  declare(names: readonly string[]): void {
    for (const name of names) this.scopes.at(-1)?.add(name);
  }

  isDeclared(name: string): boolean {
    return this.scopes.some((scope) => scope.has(name));
  }

  private statements(atEnd: () => boolean): Statement[] {
    const statements: Statement[] = [];
    for (;;) {
      this.cursor.skipBetweenCommands();
      if (atEnd()) return statements;
      if (this.cursor.done) throw this.cursor.syntaxError();
      statements.push(this.statement());
      this.cursor.skipSpace();
      if (!this.cursor.atCommandEnd && this.cursor.peek() !== '{') {
        throw ParseError.at('expected end of command', this.cursor.place());
      }
    }
  }

  private statement(): Statement {
    const { cursor } = this;
    const place = cursor.place();
    if (cursor.atCommandEnd) throw cursor.syntaxError();
    switch (cursor.peek()) {
      case '{':
        cursor.take('{');
        return { kind: 'block', body: this.block('}', false), place };
      case '[':
        return { kind: 'expression', expression: commands(this), place };
      case '(':
        return { kind: 'expression', expression: parenthesised(this), place };
      case '$':
        return this.call();
      case ':':
        cursor.take(':');
        return this.language();
      default:
        return this.path();
    }
  }

  private call(): Statement {
    const { cursor } = this;
    const place = cursor.place();
    cursor.take('$');
    const callee: Expression = { kind: 'variable', name: variableName(this), place };
    const positional: Expression[] = [];
    const named: { name: string; value: Expression }[] = [];
    for (;;) {
      cursor.skipSpace();
      if (cursor.atCommandEnd) return { kind: 'call', callee, positional, named, place };
      const name = cursor.match(/[A-Za-z][A-Za-z0-9]*=/y);
      const value = argumentValue(this);
      if (name === undefined) positional.push(value);
      else named.push({ name: name.slice(0, -1), value });
    }
  }

  private language(): Statement {
    const place = this.cursor.place();
    const name = this.cursor.match(/[A-Za-z][A-Za-z0-9-]*/y);
    if (name === undefined) throw this.cursor.syntaxError();
    const form = Object.hasOwn(LANGUAGE, name) ? LANGUAGE[name] : undefined;
    if (!form) throw ParseError.at(`bad command name ${name}`, place);
    return globalStatement(this, { name, form, place, scope: this });
  }

  /** `/disk/add …`, `/disk add …`, `add …` in a menu, `..`, or a path alone. */
  private path(): Statement {
    const { cursor } = this;
    const place = cursor.place();
    let menu = cursor.take('/') ? '' : this.menu;
    for (;;) {
      cursor.skipSpace();
      const wordPlace = cursor.place();
      if (cursor.atCommandEnd) return this.enter(menu, place);
      if (cursor.take('..')) {
        menu = menu.slice(0, menu.lastIndexOf('/'));
        cursor.take('/');
        continue;
      }
      const word = cursor.match(/[A-Za-z0-9][A-Za-z0-9_-]*/y);
      if (word === undefined) throw cursor.syntaxError();
      const below = `${menu}/${word}`;
      if (MANUAL[below] || isFolder(below)) {
        menu = below;
        cursor.take('/');
      } else if (MANUAL[menu]?.commands.includes(word)) {
        return this.menuCommand(menu, word, place);
      } else if (menu === this.menu && Object.hasOwn(LANGUAGE, word) && cursor.peek() !== '/') {
        cursor.offset -= word.length;
        return this.language();
      } else if (cursor.peek() === '/') {
        throw cursor.syntaxError();
      } else {
        throw ParseError.at(`bad command name ${word}`, wordPlace);
      }
    }
  }

  private enter(menu: string, place: Statement['place']): Statement {
    this.menu = menu;
    return { kind: 'enter', menu, place };
  }

  private menuCommand(menu: string, command: string, place: Statement['place']): Statement {
    const before = { menu: this.menu, reads: this.reads };
    // a command in brackets inside this one is looked for in the same menu: `/disk remove [find …]`
    this.menu = menu;
    this.reads = new Set();
    try {
      return menuStatement(this, { menu, command, place });
    } finally {
      this.menu = before.menu;
      this.reads = before.reads;
    }
  }
}
