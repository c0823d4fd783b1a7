'use strict';

/**
 * The arrows of docs/architecture.md, held by `npm run arrows`. They point one way:
 * csi, activities, workflows → contract → domain; activities → the ports of adapters; adapters → domain;
 * workers and cli → everything; nothing → workers. Types are no exception.
 */

/** What tests of any folder may use; it knows nobody (no-test-in-product keeps it out of the product). */
const FOR_ALL_TESTS = 'test/kit/(ssh-keys|fake-nvmet)\\.ts$';

const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: '^(src|temporal|test)/', pathNot: [from, FOR_ALL_TESTS, ...allowed].map((place) => `^${place}`) },
});

module.exports = {
  forbidden: [
    only('domain-is-pure', 'src/domain', [], 'the domain knows nobody'),
    only('contract-knows-domain', 'src/contract', ['src/domain/'], 'the contract knows the domain alone'),
    only(
      'workflows-know-contract',
      'src/workflows',
      ['src/contract/', 'src/domain/'],
      'a workflow decides; it does not act',
    ),
    only(
      'activities-know-ports',
      'src/activities',
      ['src/contract/', 'src/domain/', 'src/adapters/[^/]+/port\\.ts$'],
      'an activity acts through ports',
    ),
    only('csi-knows-contract', 'src/csi', ['src/contract/', 'src/domain/'], 'the gRPC face starts or joins workflows'),
    only('adapters-know-domain', 'src/adapters', ['src/domain/'], 'an adapter knows the world and the domain'),
    only(
      'simulator-stands-alone',
      'src/simulator',
      [],
      'the simulator shares no parser, quoting or builder with the driver',
    ),
    only(
      'temporal-stands-alone',
      'temporal',
      ['src/contract/', 'src/domain/'],
      'the embedded server knows what is registered in it',
    ),
    {
      name: 'nothing-knows-workers',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(workers|cli)/' },
      to: { path: '^src/(workers|cli)/' },
    },
    {
      name: 'kubernetes-by-its-adapter',
      severity: 'error',
      comment: 'the client of Kubernetes has one room',
      from: { path: '^(src|temporal)/', pathNot: '^src/adapters/kubernetes/' },
      to: { path: '@kubernetes/client-node' },
    },
    {
      name: 'node-without-kubernetes',
      severity: 'error',
      comment:
        'the node process, of which each node of a cluster has one, does not load the client of Kubernetes (17 MB)',
      from: { path: '^src/(workers/node|cli/node-command)\\.ts$' },
      to: { path: '@kubernetes/client-node', reachable: true },
    },
    {
      name: 'domain-has-no-effects',
      severity: 'error',
      comment: 'node built-ins are effects; the domain and the workflows have none',
      from: { path: '^src/(domain|contract|workflows)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-test-in-product',
      severity: 'error',
      from: { path: '^(src|temporal)/', pathNot: '\\.test\\.ts$' },
      to: { path: '(^test/|\\.test\\.ts$)' },
    },
    {
      name: 'no-dev-dependency-in-product',
      severity: 'error',
      from: { path: '^(src|temporal)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    // The program as built, and generated code; not the `dist` folders in which packages come.
    exclude: { path: '(^dist/|^src/.*/generated/)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['node', 'require', 'import', 'default'],
    },
  },
};
