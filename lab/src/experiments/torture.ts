import { native } from '../native.js';

export const experiment = native({
  name: 'torture',
  describe: 'writers and readers over all operations, killed at random moments',
  sources: ['torture.cc', 'torture-world.cc'],
  minutes: 15,
});
