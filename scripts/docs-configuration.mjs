/** Writes docs/configuration.md from the tables in src/workers/config. Needs a build: `npm run build`. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { formatConfigurationDoc } = require('../dist/src/workers/config/doc.js');
writeFileSync(new URL('../docs/configuration.md', import.meta.url), formatConfigurationDoc());
