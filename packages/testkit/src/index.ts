/** What the tests of a driver import. */

export { ManualClock } from './clock.js';
export { describeBackend } from './describe-backend.js';
export type { DescribeBackendOptions, Driver, TestFunction, TestRunner } from './kit.js';
export { assertSame } from './same.js';
