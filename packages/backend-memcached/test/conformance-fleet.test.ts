/** The suite on three servers. */

import { describeMemcached } from './conformance-kit.js';

describeMemcached('memcached on three servers', [{}, {}, {}]);
