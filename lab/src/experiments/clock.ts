import { native } from '../native.js';

export const experiment = native({
  name: 'clock',
  describe: 'steps of the wall clock, sleeps of the machine, a coarse clock of 10 ms',
  sources: ['clock.cc'],
  minutes: 10,
});
