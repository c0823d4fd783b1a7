import { formatUntrusted } from '../../domain/text';
import { ConfigError, type ConfigProblem } from './config-error';
import { ENVIRONMENT_PREFIX, type FieldTable, flagOf, isProblem, type ValuesOf, variableOf } from './field';
import { FileProblem, getFile, type ReadFile } from './files';
import { type Given, parseYamlSource } from './yaml-source';

/** Names the YAML file; the one setting that cannot stand in it. */
export const CONFIG_KEY = 'config';

/** Options as commander gives them, by field; `undefined` is not given. */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigSources {
  readonly flags: Flags;
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/** Values as far as they could be read, and all that is wrong so far. Rules over several fields add to it by `refuse`. */
export interface ParsedFields<Table extends FieldTable> {
  readonly values: Partial<ValuesOf<Table>>;
  readonly warnings: readonly string[];
  /** Whether it is known what was given: not so if a YAML file was named and cannot be read. */
  readonly sourcesRead: boolean;
  /** Whether somebody gave the field, rightly or wrongly; a default does not count. */
  isGiven(key: keyof Table & string): boolean;
  refuse(key: keyof Table & string, message: string): void;
  /** All values; throws ConfigError if anything is wrong. */
  complete(): ValuesOf<Table>;
}

/** Kubernetes puts variables like `RDS_CSI_CONTROLLER_SERVICE_HOST` into every pod beside a Service named `rds-csi-…`. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/;
const SERVICE_LINK_URL = /^(?:tcp|udp|sctp):\/\//;

/** Reads the fields of a table from flags, environment, YAML file and defaults, in this order of precedence. */
export function parseFields<Table extends FieldTable>(table: Table, sources: ConfigSources): ParsedFields<Table> {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const yaml = readYaml(sources, problems);
  const layers = [readFlags(sources.flags), readEnvironment(sources.env), yaml.given];
  const given = new Map<string, Given>();
  for (const key of Object.keys(table)) {
    const found = layers.map((layer) => layer.get(key)).find((candidate) => candidate !== undefined);
    if (found !== undefined) given.set(key, found);
  }
  // Keys whose value in the file has a wrong form.
  const misshapen = new Set(problems.map(({ name }) => name));
  const values = new Map<string, unknown>();
  for (const [key, field] of Object.entries(table)) {
    const found = given.get(key) ?? defaultOf(field.presence);
    if (found === undefined) {
      if (field.presence.kind === 'required' && yaml.readable && !misshapen.has(key)) problems.push(missing(key));
      continue;
    }
    try {
      const warn = (message: string): void => void warnings.push(`${key}: ${message}`);
      values.set(key, field.parse(found.texts, { readFile: sources.readFile, warn }));
    } catch (error) {
      if (!isProblem(error)) throw error;
      problems.push({ name: key, origin: found.origin, message: error.message });
    }
  }
  problems.push(...findUnknown(table, sources, yaml.given));

  const complete = Object.fromEntries(values) as ValuesOf<Table>;
  return {
    values: complete,
    warnings,
    sourcesRead: yaml.readable,
    isGiven: (key) => given.has(key) || misshapen.has(key),
    refuse: (key, message) => void problems.push({ name: key, origin: given.get(key)?.origin, message }),
    complete: () => {
      if (problems.length > 0) throw new ConfigError(problems);
      return complete;
    },
  };
}

function missing(key: string): ConfigProblem {
  const places = `${flagOf(key)}, ${variableOf(key)} or ${key} in the YAML file`;
  return { name: key, origin: undefined, message: `missing; give it as ${places}` };
}

function defaultOf(presence: FieldTable[string]['presence']): Given | undefined {
  return presence.kind === 'default' ? { texts: [presence.text], origin: 'default' } : undefined;
}

function readFlags(flags: Flags): ReadonlyMap<string, Given> {
  const given = new Map<string, Given>();
  for (const [key, value] of Object.entries(flags)) {
    if (value !== undefined) given.set(key, { texts: [value].flat().map(String), origin: flagOf(key) });
  }
  return given;
}

function readEnvironment(env: Environment): { get(key: string): Given | undefined } {
  return {
    get(key) {
      const text = env[variableOf(key)];
      return text === undefined ? undefined : { texts: [text], origin: variableOf(key) };
    },
  };
}

/** `readable` is false if a file was named and its keys are not known: then nothing counts as missing. */
function readYaml(
  { flags, env, readFile }: ConfigSources,
  problems: ConfigProblem[],
): { readonly given: ReadonlyMap<string, Given>; readonly readable: boolean } {
  const file = readFlags(flags).get(CONFIG_KEY) ?? readEnvironment(env).get(CONFIG_KEY);
  const path = file?.texts[0];
  if (file === undefined || path === undefined) return { given: new Map(), readable: true };
  try {
    const yaml = parseYamlSource(getFile(path, readFile).text, path);
    problems.push(...yaml.problems);
    return yaml;
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    problems.push({ name: CONFIG_KEY, origin: file.origin, message: error.message });
    return { given: new Map(), readable: false };
  }
}

/** Flags, variables and YAML keys that no field has. Their values are not shown. */
function findUnknown(
  table: FieldTable,
  { flags, env }: ConfigSources,
  yaml: ReadonlyMap<string, Given>,
): readonly ConfigProblem[] {
  const known = [...Object.keys(table), CONFIG_KEY];
  const variables = new Set(known.map(variableOf));
  const unknownFlags = [...readFlags(flags)].filter(([key]) => !known.includes(key));
  const unknownVariables = Object.entries(env).filter(
    ([name, value]) => name.startsWith(ENVIRONMENT_PREFIX) && !variables.has(name) && !isServiceLink(name, value),
  );
  const unknownKeys = [...yaml].filter(([key]) => !Object.hasOwn(table, key));
  return [
    ...unknownFlags.map(([key, { origin }]) => ({
      name: origin,
      origin,
      message: `unknown option${hint(table, key)}`,
    })),
    ...unknownVariables.map(([name]) => ({
      name,
      origin: name,
      message: `unknown variable${hint(table, name.slice(ENVIRONMENT_PREFIX.length), variableOf)}`,
    })),
    ...unknownKeys.map(([key, { origin }]) => ({
      name: formatUntrusted(key),
      origin,
      message: `unknown key${hint(table, key)}`,
    })),
  ];
}

function isServiceLink(name: string, value: string | undefined): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_LINK_URL.test(value ?? ''));
}

/** What may have been meant: the same letters, or a secret that was given itself in place of its file. */
function hint(table: FieldTable, key: string, show: (key: string) => string = (key) => key): string {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const meant = Object.keys(table).find((candidate) => plain(candidate) === plain(key));
  if (meant !== undefined) return `; ${show(meant)} may be meant`;
  const file = Object.keys(table).find((candidate) => plain(candidate) === `${plain(key)}file`);
  return file === undefined ? '' : `; secrets are read from files only: ${show(file)}`;
}
