'use strict';

/** A jest reporter that says what runs, and how long it took, while it runs: everything takes its time in the guest. */
module.exports = class ProgressReporter {
  constructor() {
    this.startedAt = Date.now();
  }

  onTestFileStart(test) {
    this.say(`${test.path}`);
  }

  onTestCaseStart(_test, { fullName }) {
    this.say(`begins: ${fullName}`);
  }

  onTestCaseResult(_test, { fullName, status, duration, failureMessages }) {
    this.say(`${status} in ${Math.round((duration ?? 0) / 1000)} s: ${fullName}`);
    // jest tells why at the end of all, which may be long after.
    for (const message of failureMessages) this.say(message);
  }

  say(line) {
    process.stderr.write(`[${Math.round((Date.now() - this.startedAt) / 1000)} s] ${line}\n`);
  }
};
