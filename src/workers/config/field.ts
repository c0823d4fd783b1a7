import type { z } from 'zod';
import { FileProblem, getFile, getSecretFile, type ReadFile, singleLineOf } from './files';
import type { Secret } from './secret';

/** What reading a value may need of the world. */
export interface FieldContext {
  readonly readFile: ReadFile;
  /** Told of what is no mistake, yet worth a warning in the log. */
  readonly warn: (message: string) => void;
}

/** What holds if a field is given nowhere. */
export type Presence =
  | { readonly kind: 'required' }
  | { readonly kind: 'default'; readonly text: string }
  /** `otherwise` is what the process does then, for the documentation. */
  | { readonly kind: 'optional'; readonly otherwise: string };

/** A field of a configuration. Its key in the table makes its flag, its variable and its YAML key. */
export interface Field<Value> {
  /** One sentence without its full stop. */
  readonly help: string;
  /** Stands for the value in help texts: `host:port`. */
  readonly placeholder: string;
  /** A list may be given several times, and has commas between its items; a switch needs no value. */
  readonly form: 'text' | 'list' | 'switch';
  readonly presence: Presence;
  /** Whether the value is the path of a file that holds a secret. */
  readonly secret: boolean;
  /** From what was given to what the process uses. Throws FieldProblem or FileProblem. */
  readonly parse: (given: readonly string[], context: FieldContext) => Value;
}

export type FieldTable = Readonly<Record<string, Field<unknown>>>;

export type ValuesOf<Table extends FieldTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Field<infer Value> ? Value : never;
};

/** A value cannot be used; the message says why, without the field's name. */
export class FieldProblem extends Error {
  override readonly name = 'FieldProblem';
}

interface TextSpec<Value> {
  readonly help: string;
  readonly placeholder: string;
  readonly schema: z.ZodType<Value, string>;
}

interface FileSpec {
  readonly help: string;
  readonly otherwise: string;
}

export function requiredField<Value>(spec: TextSpec<Value>): Field<Value> {
  return textField(spec, { kind: 'required' });
}

export function defaultField<Value>(spec: TextSpec<Value> & { readonly default: string }): Field<Value> {
  return textField(spec, { kind: 'default', text: spec.default });
}

export function optionalField<Value>(spec: TextSpec<Value> & { readonly otherwise: string }): Field<Value | undefined> {
  return textField(spec, { kind: 'optional', otherwise: spec.otherwise });
}

/** A required list; an item may come from a repeated flag, a YAML list, or a text with commas. */
export function requiredListField<Value>(spec: {
  readonly help: string;
  readonly placeholder: string;
  readonly schema: z.ZodType<Value, string[]>;
}): Field<Value> {
  return {
    help: spec.help,
    placeholder: spec.placeholder,
    form: 'list',
    presence: { kind: 'required' },
    secret: false,
    parse: (given) =>
      parseWith(
        spec.schema,
        given.flatMap((text) => text.split(',')).map((text) => text.trim()),
      ),
  };
}

/** Yes or no; undefined if nobody said which. */
export function switchField(spec: {
  readonly help: string;
  readonly schema: z.ZodType<boolean, string>;
  readonly otherwise: string;
}): Field<boolean | undefined> {
  const presence: Presence = { kind: 'optional', otherwise: spec.otherwise };
  return { ...textField({ ...spec, placeholder: 'true|false' }, presence), form: 'switch' };
}

/** A file whose text the process uses and may show. */
export function fileField(spec: FileSpec): Field<{ readonly path: string; readonly text: string } | undefined> {
  return pathField(spec, false, (path, { readFile }) => ({ path, text: getFile(path, readFile).text }));
}

/** A file that holds secrets and that a library reads by itself, again when it has changed: its path, if it can be read. */
export function filePathField(spec: FileSpec): Field<string | undefined> {
  return pathField(spec, true, (path, { readFile, warn }) => {
    getSecretFile(path, readFile, warn);
    return path;
  });
}

/** A file with a secret of several lines, such as a private key. */
export function secretFileField(spec: FileSpec): Field<Secret | undefined> {
  return pathField(spec, true, (path, { readFile, warn }) => getSecretFile(path, readFile, warn));
}

/** A file with a secret of one line, such as a password; the line's end is no part of it. */
export function secretLineField(spec: FileSpec): Field<Secret | undefined> {
  return pathField(spec, true, (path, { readFile, warn }) => singleLineOf(getSecretFile(path, readFile, warn), path));
}

function pathField<Value>(
  { help, otherwise }: FileSpec,
  secret: boolean,
  read: (path: string, context: FieldContext) => Value,
): Field<Value | undefined> {
  return {
    help,
    placeholder: 'file',
    form: 'text',
    presence: { kind: 'optional', otherwise },
    secret,
    parse: (given, context) => read(getOne(given), context),
  };
}

function textField<Value>({ help, placeholder, schema }: TextSpec<Value>, presence: Presence): Field<Value> {
  return {
    help,
    placeholder,
    form: 'text',
    presence,
    secret: false,
    parse: (given) => parseWith(schema, getOne(given)),
  };
}

function getOne(given: readonly string[]): string {
  const [text, ...more] = given;
  if (text === undefined || more.length > 0) throw new FieldProblem(`one value is needed, not ${given.length}`);
  return text;
}

function parseWith<Value, Input>(schema: z.ZodType<Value, Input>, input: Input): Value {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new FieldProblem(result.error.issues.map(({ message }) => message).join('; '));
}

/** Whether an error says that a value is wrong, rather than that this program is. */
export function isProblem(error: unknown): error is FieldProblem | FileProblem {
  return error instanceof FieldProblem || error instanceof FileProblem;
}

/** `rdsHostKey` → `--rds-host-key`. */
export function flagOf(key: string): string {
  return `--${wordsOf(key).join('-')}`;
}

/** What every variable of this program begins with. */
export const ENVIRONMENT_PREFIX = 'RDS_CSI_';

/** `rdsHostKey` → `RDS_CSI_RDS_HOST_KEY`. */
export function variableOf(key: string): string {
  return `${ENVIRONMENT_PREFIX}${wordsOf(key).join('_').toUpperCase()}`;
}

function wordsOf(key: string): readonly string[] {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' ');
}
