import { native } from '../native.js';

export const experiment = native({
  name: 'wrap',
  describe: 'positions across 2^48, rings of odd sizes',
  sources: ['wrap.cc'],
  minutes: 10,
});
