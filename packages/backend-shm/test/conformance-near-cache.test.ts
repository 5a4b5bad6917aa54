/** The same with the near cache, which answers most reads by itself. */

import { describeShm } from './helpers/conformance.js';

describeShm(
  { nearCache: true },
  {
    'get() gives out a copy of an object: changing it leaves the stored value':
      'all readers get one frozen object, which none of them can change',
  },
);
