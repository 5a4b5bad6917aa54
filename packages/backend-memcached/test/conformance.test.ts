/** `memcached` passes the suite that every backend passes: on one server. */

import { describeMemcached } from './conformance-kit.js';

describeMemcached('memcached', [{}]);
