/** What the driver declares: no more and no less than it can do. */

import assert from 'node:assert/strict';
import { type CacheBackend, type Capability, NO_VALUE } from '@stockpile/core';
import { assertFails, FOREVER, type Kit, type Subject } from './kit.js';
import { assertSame } from './same.js';

/** The method that each capability stands for, called. */
const METHODS: Partial<Record<Capability, readonly [string, (driver: CacheBackend, subject: Subject) => unknown]>> = {
  enumerate: ['keys', (driver) => driver.keys('')],
  clear: ['clear', (driver) => driver.clear('other:')],
  counters: ['increment', (driver, subject) => driver.increment('hits', 1, subject.item(1), FOREVER)],
  compareAndSet: ['compareAndSet', (driver, subject) => driver.compareAndSet('a', NO_VALUE, subject.item(1), FOREVER)],
  events: ['subscribe', (driver) => driver.subscribe('', () => {})],
};

export function capabilities({ test, has, options }: Kit): void {
  test('capabilities are those declared to the testkit', async ({ driver }) => {
    assertSame([...driver.capabilities].sort(), [...new Set(options.capabilities)].sort());
    assert.strictEqual(driver.stores, options.stores);
    assert.ok(typeof driver.name === 'string' && driver.name !== '', 'a driver has a name');
  });

  for (const [capability, [method, call]] of Object.entries(METHODS)) {
    if (has(capability as Capability)) continue;
    test(`${method}() without '${capability}' throws CapabilityError`, async (subject) => {
      await subject.put('key', 1);
      const driver = subject.driver as CacheBackend; // what it stores does not matter: it must refuse before
      const error = await assertFails(() => call(driver, subject), 'ERR_STOCKPILE_CAPABILITY', `${method}()`);
      assert.ok(error.message.includes(capability), `the message must name '${capability}': ${error.message}`);
      assertSame(await subject.read('key'), 1);
    });
  }

  if (has('sync')) sync({ test, has });
}

/** A synchronous driver answers with values, never with promises. */
function sync({ test, has }: Pick<Kit, 'test' | 'has'>): void {
  const answers = (title: string, call: (subject: Subject) => unknown): void => {
    test(`${title} answers without a promise`, async (subject) => {
      await subject.put('key', 1);
      const answer = call(subject);
      const isPromise = typeof answer === 'object' && answer !== null && 'then' in answer;
      if (isPromise) await answer;
      assert.ok(!isPromise, `${title} of a 'sync' driver answered with a promise`);
    });
  };
  answers('get()', ({ backend }) => backend.get('key'));
  answers('getMulti()', ({ backend }) => backend.getMulti(['key', 'absent']));
  answers('set()', (subject) => subject.backend.set('key', subject.item(2), FOREVER));
  answers('setMulti()', (subject) => subject.backend.setMulti(subject.items({ a: 1 }), FOREVER));
  answers('delete()', ({ backend }) => backend.delete('key'));
  answers('deleteMulti()', ({ backend }) => backend.deleteMulti(['key', 'absent']));
  answers('acquire() without waiting', (subject) => subject.mutex('key').acquire({ wait: 0 }));
  answers('release()', (subject) => {
    const own = subject.mutex('key');
    own.acquire({ wait: 0 });
    return own.release();
  });
  answers('locked()', (subject) => subject.mutex('key').locked());
  if (has('clear')) answers('clear()', ({ backend }) => backend.clear(''));
  if (has('counters')) {
    answers('increment()', (subject) => subject.backend.increment('key', 1, subject.item(1), FOREVER));
  }
  if (has('compareAndSet')) {
    answers('compareAndSet()', (subject) => {
      const { backend } = subject;
      const seen = backend.get('key') as Exclude<ReturnType<CacheBackend['get']>, PromiseLike<unknown>>;
      return backend.compareAndSet('key', seen, subject.item(2), FOREVER);
    });
  }
  if (has('enumerate')) {
    test('keys() can be read without a promise', async (subject) => {
      await subject.put('key', 1);
      const keys = subject.backend.keys('');
      assert.ok(Symbol.iterator in keys, "keys() of a 'sync' driver must be iterable, not async iterable");
      assertSame([...keys], ['key']);
    });
  }
}
