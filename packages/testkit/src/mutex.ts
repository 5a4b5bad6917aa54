/** getMutex: acquire, release, locked, and the fence. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit, TIMEOUT, within } from './kit.js';
import { assertSame } from './same.js';

const NO_WAIT = { wait: 0 } as const;

export function mutex({ test, has, options }: Kit): void {
  if (has('locks')) {
    test("getMutex() gives a mutex of the driver's own", async ({ backend }) => {
      assert.notStrictEqual(backend.getMutex('key'), undefined);
    });
  }

  test('acquire() takes a free lock, and locked() tells', async (subject) => {
    const [holder, watcher] = [subject.mutex('key'), subject.mutex('key')];
    assert.strictEqual(await watcher.locked(), false, 'before');
    assert.strictEqual(await holder.acquire(NO_WAIT), true);
    assert.strictEqual(await watcher.locked(), true, 'while held');
    assert.strictEqual(await holder.locked(), true, 'to the holder itself');
    await holder.release();
    assert.strictEqual(await watcher.locked(), false, 'after');
  });

  test('acquire() without waiting answers false while another holds the lock', async (subject) => {
    const [holder, other] = [subject.mutex('key'), subject.mutex('key')];
    await holder.acquire(NO_WAIT);
    assert.strictEqual(await within(other.acquire(NO_WAIT), TIMEOUT, 'acquire({ wait: 0 })'), false);
    await holder.release();
  });

  test('acquire() of two keys are independent', async (subject) => {
    const [a, b] = [subject.mutex('a'), subject.mutex('b')];
    assert.strictEqual(await a.acquire(NO_WAIT), true);
    assert.strictEqual(await b.locked(), false);
    assert.strictEqual(await b.acquire(NO_WAIT), true);
    await a.release();
    assert.strictEqual(await b.locked(), true);
    await b.release();
  });

  test('acquire() that waits is granted when the holder releases', async (subject) => {
    const [holder, waiter] = [subject.mutex('key'), subject.mutex('key')];
    await holder.acquire(NO_WAIT);
    const waiting = waiter.acquire({ wait: TIMEOUT / 2 });
    assert.strictEqual(await holder.release(), true);
    assert.strictEqual(await within(waiting, TIMEOUT, 'acquire() of a freed lock'), true);
    assert.strictEqual(await waiter.release(), true);
  });

  test('acquire() that waits ends with false at its bound', async (subject) => {
    const [holder, waiter] = [subject.mutex('key'), subject.mutex('key')];
    await holder.acquire(NO_WAIT);
    const start = performance.now();
    assert.strictEqual(await within(waiter.acquire({ wait: 60 }), TIMEOUT, 'acquire({ wait: 60 })'), false);
    const waited = performance.now() - start;
    assert.ok(waited >= 50, `it waited for ${waited.toFixed()} ms only`);
    assert.strictEqual(await waiter.release(), false);
    assert.strictEqual(await holder.release(), true);
  });

  for (const wait of [40 * 86_400_000, Number.POSITIVE_INFINITY]) {
    test(`acquire() can wait for ${wait} ms`, async (subject) => {
      const [holder, waiter] = [subject.mutex('key'), subject.mutex('key')];
      await holder.acquire(NO_WAIT);
      let settled = false;
      const waiting = Promise.resolve(waiter.acquire({ wait })).finally(() => {
        settled = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 20)); // a timer that overflows fires after 1 ms
      assert.strictEqual(settled, false, 'it must still wait');
      await holder.release();
      assert.strictEqual(await within(waiting, TIMEOUT, 'acquire() of a freed lock'), true);
      await waiter.release();
    });
  }

  test('acquire() that waits ends with false when its signal is aborted', async (subject) => {
    const [holder, waiter] = [subject.mutex('key'), subject.mutex('key')];
    await holder.acquire(NO_WAIT);
    const abort = new AbortController();
    const waiting = waiter.acquire({ wait: Number.POSITIVE_INFINITY, signal: abort.signal });
    abort.abort();
    assert.strictEqual(await within(waiting, TIMEOUT, 'acquire() with an aborted signal'), false);
    assert.strictEqual(await holder.release(), true);
    assert.strictEqual(await holder.locked(), false, 'the waiter is gone');
  });

  test('acquire() with a signal that is aborted already answers false', async (subject) => {
    const late = subject.mutex('key');
    assert.strictEqual(await late.acquire({ wait: 0, signal: AbortSignal.abort() }), false);
    assert.strictEqual(await late.locked(), false);
  });

  test('acquire() lets one at a time in', async (subject) => {
    let inside = 0;
    const enter = async (): Promise<void> => {
      const own = subject.mutex('key');
      assert.strictEqual(await own.acquire({ wait: TIMEOUT / 2 }), true);
      inside++;
      await new Promise((resolve) => setImmediate(resolve));
      assert.strictEqual(inside, 1, 'two hold the lock');
      inside--;
      await own.release();
    };
    await Promise.all(Array.from({ length: 5 }, enter));
  });

  test('release() frees the lock for the next', async (subject) => {
    for (let i = 0; i < 3; i++) {
      const own = subject.mutex('key');
      assert.strictEqual(await own.acquire(NO_WAIT), true, `round ${i}`);
      assert.strictEqual(await own.release(), true, `round ${i}`);
    }
  });

  test('release() of a lock that is not held answers false', async (subject) => {
    const own = subject.mutex('key');
    assert.strictEqual(await own.release(), false, 'never acquired');
    await own.acquire(NO_WAIT);
    await own.release();
    assert.strictEqual(await own.release(), false, 'released already');
  });

  test("release() never frees another's lock", async (subject) => {
    const [first, second, third] = [subject.mutex('key'), subject.mutex('key'), subject.mutex('key')];
    await first.acquire(NO_WAIT);
    await first.release();
    await second.acquire(NO_WAIT);
    await first.release();
    await third.release();
    assert.strictEqual(await third.locked(), true);
    assert.strictEqual(await third.acquire(NO_WAIT), false);
    assert.strictEqual(await second.release(), true);
  });

  test('set() with a mutex that is held stores', async (subject) => {
    const own = subject.mutex('key');
    await own.acquire(NO_WAIT);
    assert.strictEqual(await subject.backend.set('key', subject.item(1), { ...FOREVER, mutex: own }), true);
    assertSame(await subject.read('key'), 1);
    await own.release();
  });

  if (options.fenced) fences({ test });

  if (has('locks') && options.connect !== undefined) {
    test('acquire() of two instances on one storage exclude each other', async (subject) => {
      const other = (await subject.connect()).getMutex('key');
      const own = subject.mutex('key');
      assert.ok(other !== undefined);
      assert.strictEqual(await own.acquire(NO_WAIT), true);
      assert.strictEqual(await other.locked(), true);
      assert.strictEqual(await other.acquire(NO_WAIT), false);
      assert.strictEqual(await own.release(), true);
      assert.strictEqual(await other.acquire({ wait: TIMEOUT }), true);
      assert.strictEqual(await own.locked(), true);
      await other.release();
    });
  }
}

/** Locks that guard writes: what lost its lock stores nothing. */
function fences({ test }: Pick<Kit, 'test'>): void {
  test('fence: grows with each holder', async (subject) => {
    const fences: (number | bigint)[] = [];
    for (let i = 0; i < 3; i++) {
      const own = subject.mutex('key');
      await own.acquire(NO_WAIT);
      assert.ok(own.fence !== undefined, 'a mutex that is held must have a fence');
      fences.push(own.fence);
      await own.release();
    }
    assert.ok(
      fences.every((fence, i) => i === 0 || fence > (fences[i - 1] as number | bigint)),
      `the fences were ${fences.join(', ')}`,
    );
  });

  test('set() with a mutex that was lost answers false and stores nothing', async (subject) => {
    const [late, next] = [subject.mutex('key'), subject.mutex('key')];
    await late.acquire(NO_WAIT);
    await late.release();
    assert.strictEqual(await subject.backend.set('key', subject.item('late'), { ...FOREVER, mutex: late }), false);
    assertSame(await subject.read('key'), NO_VALUE, 'after the release');
    await next.acquire(NO_WAIT);
    assert.strictEqual(await subject.backend.set('key', subject.item('late'), { ...FOREVER, mutex: late }), false);
    assertSame(await subject.read('key'), NO_VALUE, 'while another holds it');
    await next.release();
  });

  test('setMulti() names the keys whose mutex was lost, and stores the others', async (subject) => {
    const mutexes = new Map(['a', 'b', 'c'].map((key) => [key, subject.mutex(key)]));
    for (const own of mutexes.values()) await own.acquire(NO_WAIT);
    await mutexes.get('b')?.release();
    const lost = await subject.backend.setMulti(subject.items({ a: 1, b: 2, c: 3 }), { ...FOREVER, mutexes });
    assertSame([...lost], ['b']);
    assert.deepStrictEqual(await subject.readMulti(['a', 'b', 'c']), [1, NO_VALUE, 3]);
  });

  for (const present of [true, false]) {
    test(`delete() of ${present ? 'an entry' : 'nothing'} frees the lock, so that a running creator cannot store`, async (subject) => {
      if (present) await subject.put('key', 'old');
      const own = subject.mutex('key');
      await own.acquire(NO_WAIT);
      assert.strictEqual(await subject.backend.delete('key'), present);
      assert.strictEqual(await own.locked(), false);
      assert.strictEqual(await subject.backend.set('key', subject.item('late'), { ...FOREVER, mutex: own }), false);
      assertSame(await subject.read('key'), NO_VALUE);
      assert.strictEqual(await own.release(), false);
    });
  }
}
