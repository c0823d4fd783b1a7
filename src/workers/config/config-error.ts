/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** The field, variable or key that is wrong; undefined if it is the file as a whole. */
  readonly name: string | undefined;
  /** Where it was given: `--rds-port`, `RDS_CSI_RDS_PORT`, `config.yaml:7`; undefined if it was given nowhere. */
  readonly origin: string | undefined;
  /** What is wrong, for a person. No secrets. */
  readonly message: string;
}

/** The configuration cannot be used. One message names all that is wrong with it, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(['The configuration is wrong:', ...problems.map((problem) => `  ${formatProblem(problem)}`)].join('\n'));
  }
}

function formatProblem({ name, origin, message }: ConfigProblem): string {
  if (name === undefined) return origin === undefined ? message : `${origin}: ${message}`;
  return origin === undefined || origin === name ? `${name}: ${message}` : `${name} (${origin}): ${message}`;
}
