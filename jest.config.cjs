'use strict';

/** What every project shares: TypeScript by swc (types are tsc's business), CommonJS as in the build. */
const shared = {
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};

/** One Temporal server for the run; the first start on a machine without one may build it (temporal/README.md). */
const withTemporal = {
  globalSetup: '<rootDir>/test/kit/temporal-setup.ts',
  globalTeardown: '<rootDir>/test/kit/temporal-teardown.ts',
};

/** Where the counts of a run are left, for whoever adds them up (.ci/run). */
const reportsFolder = process.env.RDS_CSI_REPORTS;

/** In the guest of test/nvme, where tests are slow. */
const progress = process.env.RDS_CSI_GUEST ? ['<rootDir>/test/nvme/guest/progress.cjs'] : [];

module.exports = {
  // Integration tests wait for time limits much of the time, and have processes of their own: one more of them than most machines' two cores.
  maxWorkers: 3,
  ...(reportsFolder && {
    reporters: ['default', ...progress, ['<rootDir>/scripts/jest-report.cjs', { folder: reportsFolder }]],
  }),
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/{src,temporal,test/kit}/**/*.test.ts'] },
    { ...shared, ...withTemporal, displayName: 'workflows', testMatch: ['<rootDir>/test/workflows/**/*.test.ts'] },
    { ...shared, ...withTemporal, displayName: 'integration', testMatch: ['<rootDir>/test/integration/**/*.test.ts'] },
    { ...shared, displayName: 'node', testMatch: ['<rootDir>/test/node/**/*.test.ts'] },
    { ...shared, ...withTemporal, displayName: 'kubernetes', testMatch: ['<rootDir>/test/kubernetes/**/*.test.ts'] },
    // Runs in a guest alone: npm run test:nvme.
    { ...shared, ...withTemporal, displayName: 'nvme', testMatch: ['<rootDir>/test/nvme/**/*.test.ts'] },
    { ...shared, ...withTemporal, displayName: 'sanity', testMatch: ['<rootDir>/test/sanity/**/*.test.ts'] },
  ],
};
