import { type Command, Option } from 'commander';
import { type FieldTable, flagOf, variableOf } from './field';
import { CONFIG_KEY } from './load';

/** Adds an option for each field of a table, and `--config`. They are read with `command.opts<Flags>()`. */
export function addFieldOptions(command: Command, table: FieldTable): Command {
  command.option(
    `${flagOf(CONFIG_KEY)} <file>`,
    `YAML file with any of these settings by their names, e.g. rdsAddress (${variableOf(CONFIG_KEY)})`,
  );
  for (const [key, field] of Object.entries(table)) command.addOption(optionOf(key, field));
  return command;
}

/** Defaults are told, not set: what commander does not hand over was not given. */
function optionOf(key: string, { form, help, placeholder, presence }: FieldTable[string]): Option {
  const absent =
    presence.kind === 'required'
      ? 'required'
      : `default: ${presence.kind === 'default' ? presence.text : presence.otherwise}`;
  const value = form === 'switch' ? `[${placeholder}]` : `<${placeholder}>`;
  const option = new Option(`${flagOf(key)} ${value}`, `${help} (${variableOf(key)}; ${absent})`);
  if (form === 'switch') return option.preset('true');
  if (form === 'text') return option;
  return option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
}
