/** subscribe. */

import assert from 'node:assert/strict';
import type { CacheBackend, KeyEvent } from '@stockpile/core';
import { FOREVER, type Kit, TIMEOUT, within } from './kit.js';
import { assertSame } from './same.js';

export function events({ test, has, options }: Kit): void {
  test('subscribe() hears set() and delete(), in order for a key', async (subject) => {
    const heard = listen(subject.backend, 'users:');
    await subject.put('users:1', 1);
    await subject.put('users:1', 2);
    await subject.backend.delete('users:1');
    await heard.until(3);
    assertSame(heard.texts(), ['set users:1', 'set users:1', 'delete users:1']);
  });

  test('subscribe() hears setMulti() and deleteMulti() for each key', async (subject) => {
    const heard = listen(subject.backend, '');
    await subject.backend.setMulti(subject.items({ a: 1, b: 2 }), FOREVER);
    await heard.until(2);
    await subject.backend.deleteMulti(['a', 'b']);
    await heard.until(4);
    assertSame(heard.texts().sort(), ['delete a', 'delete b', 'set a', 'set b']);
  });

  test('subscribe() says that the events of this process are local', async (subject) => {
    const heard = listen(subject.backend, '');
    await subject.put('key', 1);
    await heard.until(1);
    assert.strictEqual(heard.events[0]?.local, true);
  });

  test('subscribe() hears nothing of other keys', async (subject) => {
    const heard = listen(subject.backend, 'users:');
    await subject.put('user:1', 1);
    await subject.put('orders:users:1', 1);
    await subject.backend.delete('user:1');
    await subject.put('users:1', 1);
    await heard.until(1);
    assertSame(heard.texts(), ['set users:1']);
  });

  test('subscribe() hears no more once disposed', async (subject) => {
    const [heard, marker] = [listen(subject.backend, ''), listen(subject.backend, '')];
    await subject.put('a', 1);
    await heard.until(1);
    await marker.until(1);
    heard.subscription[Symbol.dispose]();
    heard.subscription[Symbol.dispose](); // twice is no error
    await subject.put('b', 1);
    await marker.until(2);
    assertSame(heard.texts(), ['set a']);
  });

  test('subscribe() with a listener that throws harms neither the writer nor other listeners', async (subject) => {
    let thrown = false;
    subject.backend.subscribe('', () => {
      if (thrown) return;
      thrown = true;
      throw new Error('thrown on purpose by @stockpile/testkit');
    });
    const heard = listen(subject.backend, '');
    await subject.put('a', 1);
    await subject.put('b', 1);
    await heard.until(2);
    assertSame(heard.texts(), ['set a', 'set b']);
  });

  if (has('clear')) {
    test('subscribe() hears clear() of its keys', async (subject) => {
      const [heard, other] = [listen(subject.backend, 'users:'), listen(subject.backend, 'orders:')];
      await subject.put('users:1', 1);
      await subject.backend.clear('users:');
      await subject.put('orders:1', 1);
      await heard.until(2);
      await other.until(1);
      assertSame(heard.texts(), ['set users:1', 'clear undefined']);
      assertSame(other.texts(), ['set orders:1']);
    });
  }

  if (has('counters')) {
    test('subscribe() hears increment() as a set', async (subject) => {
      const heard = listen(subject.backend, '');
      await subject.backend.increment('hits', 1, subject.item(1), FOREVER);
      await subject.backend.increment('hits', 1, subject.item(1), FOREVER);
      await heard.until(2);
      assertSame(heard.texts(), ['set hits', 'set hits']);
    });
  }

  if (has('compareAndSet')) {
    test('subscribe() hears compareAndSet() as a set if it stored', async (subject) => {
      await subject.put('key', 1);
      const seen = await subject.backend.get('key');
      await subject.put('key', 2);
      const heard = listen(subject.backend, 'k');
      await subject.backend.compareAndSet('key', seen, subject.item(3), FOREVER);
      await subject.backend.compareAndSet('key', await subject.backend.get('key'), subject.item(3), FOREVER);
      await subject.backend.delete('key');
      await heard.until(2);
      assertSame(heard.texts(), ['set key', 'delete key']);
    });
  }

  if (options.connect !== undefined) {
    test('subscribe() hears what another instance does', async (subject) => {
      const other = await subject.connect();
      const heard = listen(subject.backend, '');
      await other.set('key', subject.item(1), FOREVER);
      await other.delete('key');
      await heard.until(2);
      assertSame(heard.texts(), ['set key', 'delete key']);
    });
  }
}

/** Collects events; `until(n)` waits for the nth. */
function listen(
  backend: CacheBackend,
  prefix: string,
): {
  readonly events: KeyEvent[];
  readonly subscription: Disposable;
  texts(): string[];
  until(count: number): Promise<void>;
} {
  const events: KeyEvent[] = [];
  let wake = (): void => {};
  const subscription = backend.subscribe(prefix, (event) => {
    events.push(event);
    wake();
  });
  const texts = (): string[] => events.map(({ type, key }) => `${type} ${key}`);
  const until = async (count: number): Promise<void> => {
    const arrived = new Promise<void>((resolve) => {
      wake = () => {
        if (events.length >= count) resolve();
      };
      wake();
    });
    await within(arrived, TIMEOUT, `event ${count}`);
  };
  return { events, subscription, texts, until };
}
