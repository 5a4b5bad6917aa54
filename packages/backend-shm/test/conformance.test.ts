/** `shm` passes the suite that every backend passes. */

import { describeShm } from './helpers/conformance.js';

describeShm({});
