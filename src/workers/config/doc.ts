import { CONTROLLER_FIELDS } from './controller-config';
import { type FieldTable, flagOf, variableOf } from './field';
import { CONFIG_KEY } from './load';
import { NODE_FIELDS } from './node-config';

/** docs/configuration.md, whole. `npm run docs` writes it; a test holds it against the tables. */
export function formatConfigurationDoc(): string {
  return [
    INTRODUCTION,
    formatSection('rds-csi controller', CONTROLLER_FIELDS),
    formatSection('rds-csi node', NODE_FIELDS),
    EXAMPLE,
  ].join('\n');
}

function formatSection(command: string, table: FieldTable): string {
  const rows = Object.entries(table).map(([key, { help, placeholder, form, presence, secret }]) => {
    const value = form === 'switch' ? `[${placeholder}]` : placeholder;
    const absent =
      presence.kind === 'required'
        ? '**required**'
        : presence.kind === 'default'
          ? `\`${presence.text}\``
          : presence.otherwise;
    const meaning = secret ? `${help}; a secret` : help;
    const cells = [`\`${key}\``, `\`${flagOf(key)} ${value}\``, `\`${variableOf(key)}\``, meaning, absent];
    return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
  });
  return [
    `## \`${command}\``,
    '',
    '| YAML key | Flag | Variable | Meaning | Default |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const INTRODUCTION = `# Configuration

<!-- Made from src/workers/config by scripts/docs-configuration.mjs; changes by hand are lost. -->

Every setting can be given as a flag, as an environment variable, or in a YAML file that \`${flagOf(CONFIG_KEY)}\` or
\`${variableOf(CONFIG_KEY)}\` names. A flag wins over the environment, the environment over the file, the file over the default.

- All settings are read and checked once, at start. If anything is wrong, one message on stderr names every wrong setting and
  where it was given, and the process ends with code 2. Unknown flags, keys, and variables that begin with \`RDS_CSI_\` are
  wrong too (what Kubernetes adds for Services with such names is let be).
- An empty value counts as given.
- A list is given as a flag several times, as a text with commas, or as a YAML list.
- **Secrets are read from files only.** Their paths are absolute or begin with \`./\`. A line end at the end of a password, a
  passphrase or an API key is no part of it. A file that every user may read is used, with a warning in the log.
- In YAML every value counts as the text that is written: \`007\` stays \`007\`.
`;

const EXAMPLE = `## Example

\`\`\`yaml
clusterId: prod-1
volumePaths:
  - /storage-pool/metal-csi
rdsAddress: 192.0.2.10
rdsUser: metal-csi
rdsPrivateKeyFile: /etc/rds-csi/ssh/id_ed25519
rdsKnownHostsFile: /etc/rds-csi/ssh/known_hosts
nvmeAddress: 198.51.100.10
temporalAddress: temporal-frontend.temporal:7233
\`\`\`
`;
