/** The running order of the suite. Each group of behaviours has a file of its own. */

import type { Capability } from '@stockpile/core';
import { badInput } from './bad-input.js';
import { basics } from './basics.js';
import { capabilities } from './capabilities.js';
import { clearing } from './clearing.js';
import { compareAndSet } from './compare-and-set.js';
import { concurrency } from './concurrency.js';
import { counters } from './counters.js';
import { enumeration } from './enumeration.js';
import { events } from './events.js';
import { expiry } from './expiry.js';
import { type DescribeBackendOptions, Kit } from './kit.js';
import { multi } from './multi.js';
import { mutex } from './mutex.js';
import { region } from './region.js';
import { serialisation } from './serialisation.js';

/** Title, behaviours, and the capability without which the group does not apply. */
const GROUPS: readonly (readonly [title: string, group: (kit: Kit) => void, needs?: Capability])[] = [
  ['capabilities', capabilities],
  ['basics', basics],
  ['multi', multi],
  ['expiry', expiry, 'ttl'],
  ['serialisation', serialisation],
  ['bad input', badInput],
  ['mutex', mutex],
  ['counters', counters, 'counters'],
  ['compareAndSet', compareAndSet, 'compareAndSet'],
  ['enumeration', enumeration, 'enumerate'],
  ['clear', clearing, 'clear'],
  ['events', events, 'events'],
  ['concurrency', concurrency],
  ['region', region],
];

/**
 * Registers the conformance suite of Stockpile backends with a test runner. Every test makes a driver of its own with
 * `create` and closes it. Groups run by declared capability; a method of an undeclared one must throw
 * `CapabilityError`. What goes wrong is an `AssertionError` of node:assert.
 *
 * Out of its reach, for the driver's own tests: several processes, killed lock holders, lost servers.
 * @example
 * import { describe, test } from 'node:test';
 * describeBackend({
 *   name: 'mine',
 *   runner: { describe, test },
 *   create: ({ clock }) => new MyBackend(clock),
 *   stores: 'values',
 *   capabilities: ['sync', 'ttl'],
 *   clock: 'injected',
 * });
 */
export function describeBackend(options: DescribeBackendOptions): void {
  const { describe } = options.runner;
  describe(`backend '${options.name}'`, () => {
    const kit = new Kit(options);
    for (const [title, group, needs] of GROUPS) {
      describe(title, () => {
        if (needs === undefined || kit.has(needs)) group(kit);
        else kit.skip(`all of ${title}`, `'${needs}' is not declared`);
      });
    }
    describe('deviations', () => kit.checkSkips());
  });
}
