import { native } from '../native.js';

export const experiment = native({
  name: 'races',
  describe: 'all operations from many threads under ThreadSanitizer',
  sources: ['races.cc'],
  watch: 'thread',
  minutes: 10,
});
