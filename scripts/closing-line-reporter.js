/** Jest reporter: ends the output with `N passed, N failed`, the line that scripts and people look for. */

import { writeSync } from 'node:fs';

export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`;
    // jest prints its summary after all reporters are done; standard output may not be drained on exit
    process.once('exit', () => writeSync(1, line));
  }
}
