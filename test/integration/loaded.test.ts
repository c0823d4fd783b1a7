import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const DIST = path.resolve(__dirname, '../../dist/src');

/** The packages that a process has loaded when it has loaded these modules of the build. */
function packagesOf(...modules: readonly string[]): readonly string[] {
  const script = `
    for (const name of ${JSON.stringify(modules.map((name) => path.join(DIST, name)))}) require(name);
    console.log(JSON.stringify(Object.keys(require.cache)));
  `;
  const files: unknown = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
  if (!Array.isArray(files)) throw new Error('no list');
  return files.map(String).flatMap((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
}

describe('what a process loads', () => {
  it('the node: Temporal, and no client of Kubernetes', () => {
    const packages = packagesOf('cli/main.js', 'cli/node-command.js', 'workers/node.js');
    expect(packages).toContain('@temporalio/worker');
    expect(packages).not.toContain('@kubernetes/client-node');
  });

  it('the controller: the client of Kubernetes only where there is a cluster', () => {
    expect(packagesOf('workers/controller.js')).not.toContain('@kubernetes/client-node');
    expect(packagesOf('workers/controller.js', 'adapters/kubernetes/kubernetes.js')).toContain(
      '@kubernetes/client-node',
    );
  });
});
