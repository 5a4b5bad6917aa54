import { native } from '../native.js';

export const experiment = native({
  name: 'interleaved',
  describe: 'lock-free reads that are overtaken in the middle of their copy',
  sources: ['interleaved.cc'],
  minutes: 5,
});
