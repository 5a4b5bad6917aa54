import { native } from '../native.js';

export const experiment = native({
  name: 'pid-namespaces',
  describe: 'owners in another PID namespace, dead and alive',
  sources: ['pid-namespaces.cc'],
  minutes: 10,
});
