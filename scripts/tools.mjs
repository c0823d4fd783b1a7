/**
 * Builds programs that come as Go source into the cache, unless they are there, and prints their paths, a line each:
 * `npm run --silent tools -- temporal csi-sanity kubernetes`. What happens meanwhile is told on standard error.
 */
import { CSI_SANITY_TOOL, installGoTool, TEMPORAL_TOOL } from '../temporal/go-tool.ts';
import { KUBERNETES_TOOL } from '../test/kit/kubernetes-tool.ts';

const TOOLS = [TEMPORAL_TOOL, CSI_SANITY_TOOL, KUBERNETES_TOOL];

const names = process.argv.slice(2);
const wanted = TOOLS.filter(({ name }) => names.includes(name));
if (wanted.length === 0 || wanted.length !== names.length) {
  console.error(`usage: npm run tools -- ${TOOLS.map(({ name }) => `[${name}]`).join(' ')}`);
  process.exit(2);
}
for (const tool of wanted) {
  const log = (line) => console.error(`tools: ${line}`);
  console.log(await installGoTool({ tool, env: process.env, log }));
}
