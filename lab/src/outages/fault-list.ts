/** What is injected, and on which stage, by backend: the rows of the fault table. */

import { clusterOfThree, clusterWithReplicas, sentinelGroup } from './redis-groups.js';
import { singleServer, threeMemcached } from './single-server.js';
import type { ProxyTrouble, ServerTrouble, Stage, Trouble } from './stage.js';
import type { BackendName, Losses } from './task.js';

export interface FaultCase {
  /** As the table calls it. */
  readonly fault: string;
  readonly backend: BackendName;
  readonly trouble: Trouble;
  readonly loses: Losses;
  /** Part of the keys is not concerned. */
  readonly partial: boolean;
  /** The servers may help themselves before the fault ends. */
  readonly helpsItself?: boolean;
  stage(seed: number): Promise<Stage>;
}

const BACKENDS: readonly BackendName[] = ['redis', 'memcached', 'keyv'];

const ON_THE_WAY: Readonly<Record<ProxyTrouble, string>> = {
  refuse: 'refused',
  reset: 'reset',
  blackHole: 'black hole',
  halfAnswer: 'half an answer, then silence',
  finAfterHalf: 'half an answer, then FIN',
  drip: 'slow drip',
  garbage: 'garbage bytes',
  badLengths: 'inconsistent lengths',
  fin: 'FIN with requests in flight',
  flap: 'connections lost again and again',
};

const AT_THE_SERVER: Readonly<Record<ServerTrouble, string>> = {
  restart: 'server restarted, empty',
  pause: 'server paused (SIGSTOP)',
  kill: 'server killed',
};

/** One server, each fault for each backend. */
const SINGLE: readonly FaultCase[] = BACKENDS.flatMap((backend) => [
  ...Object.entries(ON_THE_WAY).map(([trouble, fault]) => ({
    ...{ fault, backend, trouble: trouble as ProxyTrouble, loses: 'nothing' as const, partial: false },
    stage: (seed: number) => singleServer(backend, seed),
  })),
  ...Object.entries(AT_THE_SERVER).map(([trouble, fault]) => ({
    ...{ fault, backend, trouble: trouble as ServerTrouble, partial: false },
    loses: trouble === 'pause' ? ('nothing' as const) : ('all' as const),
    stage: () => singleServer(backend),
  })),
]);

/** One server of several. The slow ones first: they are not to be waited for at the end. */
const GROUPS: readonly FaultCase[] = [
  {
    ...{ fault: 'cluster failover to a replica', backend: 'redis', trouble: 'kill', loses: 'recent', partial: true },
    stage: clusterWithReplicas,
  },
  {
    ...{ fault: 'one of three cluster nodes dead', backend: 'redis', trouble: 'kill', loses: 'all', partial: true },
    stage: clusterOfThree,
  },
  {
    ...{ fault: 'sentinel failover', backend: 'redis', trouble: 'kill', loses: 'recent', partial: false },
    helpsItself: true,
    stage: sentinelGroup,
  },
  {
    ...{ fault: 'one of three servers dead, failover on', backend: 'memcached', trouble: 'kill', loses: 'all' },
    partial: true,
    stage: () => threeMemcached({ failover: true }),
  },
  {
    ...{ fault: 'one of three servers dead', backend: 'memcached', trouble: 'kill', loses: 'all', partial: true },
    stage: () => threeMemcached({}),
  },
];

export const FAULT_CASES: readonly FaultCase[] = [...GROUPS, ...SINGLE];

/** Of the table; those in which one of several servers fails last. */
export const ROWS: readonly string[] = [...new Set([...SINGLE, ...GROUPS.toReversed()].map(({ fault }) => fault))];

/** For the long form only. */
export const MORE_CASES: readonly FaultCase[] = [
  {
    ...{ fault: 'one of three cluster nodes paused', backend: 'redis', trouble: 'pause', loses: 'nothing' },
    partial: true,
    stage: clusterOfThree,
  },
  ...(['blackHole', 'drip', 'garbage', 'fin'] as const).map((trouble) => ({
    ...{ fault: `one of three servers: ${ON_THE_WAY[trouble]}`, backend: 'memcached' as const, trouble },
    ...{ loses: 'nothing' as const, partial: true },
    stage: (seed: number) => threeMemcached({ seed }),
  })),
];
