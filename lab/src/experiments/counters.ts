import { native } from '../native.js';

export const experiment = native({
  name: 'counters',
  describe: '32 processes on one hot record: exact sums, everybody gets on',
  sources: ['counters.cc'],
  minutes: 10,
});
