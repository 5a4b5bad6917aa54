/** The suite over a unix socket. */

import { describeMemcached } from './conformance-kit.js';

describeMemcached('memcached over a unix socket', [{ unix: true }]);
