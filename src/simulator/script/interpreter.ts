import { setImmediate } from 'node:timers/promises';
import { MANUAL } from '../manual';
import { unreachable } from '../unreachable';
import { argumentOf, checkArgument } from './arguments';
import type { Block, Expression, GlobalStatement, MenuStatement, Statement } from './ast';
import { BUILTINS } from './builtins';
import { CONTROL } from './control';
import { Refusal, ScriptError } from './errors';
import { applyBinary, applyUnary, truth } from './operators';
import { type Machine, type MenuCall, Return, type Runtime, Scope } from './runtime';
import { array, isEmpty, NOTHING, str, textOf, type Value, withElement } from './value';

const COMMANDS = { ...BUILTINS, ...CONTROL };
/** Commands between two looks at the rest of the program: a script that never ends must not stop the server. */
const COMMANDS_PER_TURN = 200;

/** Runs what the parser has read. Throws ScriptError and Halt. */
export async function runScript(body: Block, machine: Machine): Promise<void> {
  const interpreter = new Interpreter(machine);
  const scope = new Scope(undefined);
  for (const [name, box] of machine.globals) scope.bind(name, box);
  try {
    await interpreter.statements(body, scope);
  } catch (error) {
    if (!(error instanceof Return)) throw error;
  }
}

class Interpreter implements Runtime {
  private where = '';
  private line = 1;
  private steps = 0;
  private depth = 0;
  private brackets = 0;

  constructor(readonly machine: Machine) {}

  fail(reason: string, statement: GlobalStatement): ScriptError {
    return new ScriptError(reason, `:${statement.name}`, statement.place.line);
  }

  async run(block: Block, scope: Scope): Promise<Value> {
    return this.statements(block, new Scope(scope));
  }

  async statements(block: Block, scope: Scope): Promise<Value> {
    let value: Value = NOTHING;
    for (const statement of block.statements) {
      this.steps += 1;
      if (this.steps % COMMANDS_PER_TURN === 0) await setImmediate();
      this.machine.checkPower();
      value = await this.located(statement, scope);
    }
    return value;
  }

  /** What goes wrong inside an expression is told with the command around it. */
  private async located(statement: Statement, scope: Scope): Promise<Value> {
    const before = { where: this.where, line: this.line };
    this.line = statement.place.line;
    if (statement.kind === 'global') this.where = `:${statement.name}`;
    if (statement.kind === 'menu') this.where = `${statement.menu}/${statement.command}`;
    try {
      return await this.statement(statement, scope);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const argument = error.argument === undefined ? '' : ` (${error.argument})`;
      throw new ScriptError(error.message, this.where + argument, this.line);
    } finally {
      this.where = before.where;
      this.line = before.line;
    }
  }

  private async statement(statement: Statement, scope: Scope): Promise<Value> {
    switch (statement.kind) {
      case 'block':
        return this.run(statement.body, scope);
      case 'expression':
        return this.evaluate(statement.expression, scope);
      case 'enter':
        return NOTHING;
      case 'global': {
        const command = COMMANDS[statement.name];
        if (!command) throw new Refusal(`bad command name ${statement.name}`);
        return command(this, statement, scope);
      }
      case 'call':
        return this.call(statement, scope);
      case 'menu':
        return this.menu(statement, scope);
    }
    return unreachable(statement);
  }

  private async call(statement: Extract<Statement, { kind: 'call' }>, scope: Scope): Promise<Value> {
    const callee = await this.evaluate(statement.callee, scope);
    if (callee.type !== 'code') {
      if (statement.positional.length > 0 || statement.named.length > 0) throw new Refusal('not a function');
      return callee;
    }
    const inner = new Scope(undefined);
    for (const [index, each] of statement.positional.entries()) {
      inner.declare(String(index + 1), await this.evaluate(each, scope));
    }
    for (const { name, value } of statement.named) inner.declare(name, await this.evaluate(value, scope));
    return this.returning(() => this.statements(callee.body, inner));
  }

  private async returning(work: () => Promise<Value>): Promise<Value> {
    if (this.depth > 100) throw new Refusal('too many nested calls');
    this.depth += 1;
    try {
      return await work();
    } catch (error) {
      if (error instanceof Return) return error.value;
      throw error;
    } finally {
      this.depth -= 1;
    }
  }

  async evaluate(expression: Expression, scope: Scope): Promise<Value> {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'string': {
        let text = '';
        for (const part of expression.parts) {
          text += typeof part === 'string' ? part : textOf(await this.evaluate(part, scope));
        }
        return str(text);
      }
      // seen on 7.21: a variable that nobody declared is nothing, and no error
      case 'variable':
        return scope.find(expression.name)?.value ?? NOTHING;
      case 'property':
        return scope.row?.get(expression.name) ?? NOTHING;
      case 'commands':
        return this.bracketed(expression.body, scope);
      case 'array':
        return this.array(expression, scope);
      case 'code':
        return { type: 'code', body: expression.body };
      case 'unary':
        return this.unary(expression, scope);
      case 'binary': {
        const left = await this.evaluate(expression.left, scope);
        const right = await this.evaluate(expression.right, scope);
        const logical = expression.operator === '&&' || expression.operator === '||';
        if (!logical) return applyBinary(expression.operator, left, right);
        return applyBinary(expression.operator, flagOf(expression.left, left), flagOf(expression.right, right));
      }
    }
    return unreachable(expression);
  }

  private async unary({ operator, operand }: Extract<Expression, { kind: 'unary' }>, scope: Scope): Promise<Value> {
    const value = await this.evaluate(operand, scope);
    return applyUnary(operator, operator === '!' ? flagOf(operand, value) : value);
  }

  private async bracketed(body: Block, scope: Scope): Promise<Value> {
    this.brackets += 1;
    try {
      return await this.returning(() => this.run(body, scope));
    } finally {
      this.brackets -= 1;
    }
  }

  private async array(expression: Extract<Expression, { kind: 'array' }>, scope: Scope): Promise<Value> {
    const items: Value[] = [];
    const keyed: [string, Value][] = [];
    for (const entry of expression.entries) {
      const value = await this.evaluate(entry.value, scope);
      if (entry.key) keyed.push([textOf(await this.evaluate(entry.key, scope)), value]);
      else items.push(value);
    }
    return array(items, keyed);
  }

  async assign(target: Expression, value: Value, scope: Scope): Promise<void> {
    if (target.kind === 'variable') {
      const box = scope.find(target.name);
      if (box) box.value = value;
      return;
    }
    if (target.kind !== 'binary' || target.operator !== '->') throw new Refusal('cannot set this');
    const key = await this.evaluate(target.right, scope);
    await this.assign(target.left, withElement(await this.evaluate(target.left, scope), key, value), scope);
  }

  private async menu(statement: MenuStatement, scope: Scope): Promise<Value> {
    const outcome = await this.machine.run(await this.menuCall(statement, scope));
    if (outcome.always || this.brackets === 0) this.machine.write(outcome.output);
    return outcome.value;
  }

  private async menuCall(statement: MenuStatement, scope: Scope): Promise<MenuCall> {
    const { menu, command, taken, flags, reads, where } = statement;
    const named = new Map<string, Value>();
    const manual = MANUAL[menu];
    for (const { name, value: expression } of statement.named) {
      const given = await this.evaluate(expression, scope);
      const value = expression.kind === 'literal' && expression.word !== undefined ? str(expression.word) : given;
      const problem = manual && checkArgument(manual, name, value);
      if (problem !== undefined) throw new Refusal(problem, name);
      const isProperty = manual && Object.hasOwn(manual.arguments, name);
      named.set(name, isProperty ? argumentOf(manual, name, value) : value);
    }
    const positional: Value[] = [];
    for (const each of statement.positional) positional.push(await this.evaluate(each, scope));
    const matches = where && ((row: ReadonlyMap<string, Value>) => this.matches(where, row, scope));
    return { menu, command, named, taken, positional, flags, reads, matches, line: statement.place.line };
  }

  private async matches(where: Expression, row: ReadonlyMap<string, Value>, scope: Scope): Promise<boolean> {
    const inner = new Scope(scope, row);
    // in a `where`, `$comment` is the item's comment, not a variable of that name (manual: reserved names)
    for (const [name, value] of row) inner.declare(name, value);
    return truth(flagOf(where, await this.evaluate(where, inner)));
  }
}

/** A property alone in a condition asks whether it is yes, or whether there is one. */
function flagOf(expression: Expression, value: Value): Value {
  if (expression.kind !== 'property' || value.type === 'bool') return value;
  return { type: 'bool', value: !isEmpty(value) };
}
