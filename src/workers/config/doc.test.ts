import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CONTROLLER_FIELDS } from './controller-config';
import { formatConfigurationDoc } from './doc';
import { flagOf, variableOf } from './field';
import { NODE_FIELDS } from './node-config';

const DOC = path.resolve(__dirname, '../../../docs/configuration.md');

describe('docs/configuration.md', () => {
  it('is what the tables make (npm run docs)', () => {
    expect(readFileSync(DOC, 'utf8')).toBe(formatConfigurationDoc());
  });

  it.each([
    ...Object.keys(CONTROLLER_FIELDS).map((key) => ['rds-csi controller', key] as const),
    ...Object.keys(NODE_FIELDS).map((key) => ['rds-csi node', key] as const),
  ])('%s: tells of %s in all its forms', (command, key) => {
    const section = formatConfigurationDoc()
      .split('\n## ')
      .find((text) => text.startsWith(`\`${command}\``));
    const rows = (section ?? '').split('\n').filter((line) => line.startsWith(`| \`${key}\` |`));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toContain(`\`${flagOf(key)} `);
    expect(rows[0]).toContain(`\`${variableOf(key)}\``);
  });
});
