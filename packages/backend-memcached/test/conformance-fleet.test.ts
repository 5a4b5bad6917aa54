/** The suite on three servers, each reached in another way. */

import { describeMemcached } from './conformance-kit.js';

describeMemcached('memcached on TCP, a unix socket and IPv6', [{}, { unix: true }, { ipv6: true }]);
