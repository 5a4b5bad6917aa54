import { native } from '../native.js';

export const experiment = native({
  name: 'policy',
  describe: 'hit ratios of the shipped eviction on traces of real traffic',
  sources: ['policy.cc'],
  minutes: 10,
});
