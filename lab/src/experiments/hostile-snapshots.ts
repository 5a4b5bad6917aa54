import { native } from '../native.js';

export const experiment = native({
  name: 'hostile-snapshots',
  describe: 'damaged snapshots under AddressSanitizer and UBSan',
  sources: ['hostile-snapshots.cc'],
  watch: 'address',
  minutes: 15,
});
