import { native } from '../native.js';

export const experiment = native({
  name: 'hostile',
  describe: 'damaged segments under AddressSanitizer and UBSan',
  sources: ['hostile.cc'],
  watch: 'address',
  minutes: 30,
});
