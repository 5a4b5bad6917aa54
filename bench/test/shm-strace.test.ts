import { expect, test } from '@jest/globals';
import { phasesIn } from '../src/shm/strace.js';

const LOG = `100 1000.000000 execve("/usr/bin/node", ["node"], 0x7ffd /* 20 vars */) = 0
100 1000.100000 access("/stockpile-bench-phase/get 10", F_OK) = -1 ENOENT (No such file or directory)
100 1000.200000 futex(0x1, FUTEX_WAKE_PRIVATE, 1 <unfinished ...>
101 1000.210000 mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE, -1, 0) = 0x7f
100 1000.220000 <... futex resumed>)    = 1
100 1000.230000 --- SIGCHLD {si_signo=SIGCHLD} ---
100 1000.600000 access("/stockpile-bench-phase/get 100", F_OK) = -1 ENOENT (No such file or directory)
100 1002.600000 access("/stockpile-bench-phase/end", F_OK) = -1 ENOENT (No such file or directory)
101 1002.700000 +++ exited with 0 +++
100 1002.800000 munmap(0x7f, 4096)      = 0
`;

test('calls of all threads count for the phase they were begun in, the marks themselves do not', () => {
  const phases = phasesIn(LOG);
  expect([...phases.keys()]).toEqual(['get 10', 'get 100']);
  expect(phases.get('get 10')).toEqual({ calls: 2, seconds: expect.closeTo(0.5) });
  expect(phases.get('get 100')).toEqual({ calls: 0, seconds: expect.closeTo(2) });
});

test('the log of a single thread has no number in front', () => {
  const phases = phasesIn(LOG.replace(/^10\d /gm, ''));
  expect(phases.get('get 10')?.calls).toBe(2);
});
