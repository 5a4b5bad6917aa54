import { native } from '../native.js';

export const experiment = native({
  name: 'kill-points',
  describe: 'SIGKILL at every point between two stores, also in recovery, attach, create, detach and snapshots',
  sources: ['kill-points.cc', 'kill-scenarios.cc', 'kill-world.cc'],
  minutes: 15,
});
