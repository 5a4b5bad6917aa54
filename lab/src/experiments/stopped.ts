import { native } from '../native.js';

export const experiment = native({
  name: 'stopped',
  describe: 'SIGSTOP of who holds a shard, or the gate; then SIGCONT or SIGKILL',
  sources: ['stopped.cc'],
  minutes: 5,
});
