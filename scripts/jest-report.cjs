'use strict';

const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');

/**
 * A jest reporter that leaves the counts of its run in a folder, for .ci/run to add up. Written at the end of a run alone: no
 * file means that the run died. A test file that could not even be loaded has no tests to count, so it counts itself.
 */
module.exports = class CountReporter {
  constructor(_globalConfig, { folder }) {
    this.folder = folder;
  }

  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(path.join(this.folder, `jest-${Date.now()}-${process.pid}.json`), `${JSON.stringify(counts)}\n`);
  }
};
