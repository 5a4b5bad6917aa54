/** subscribe and waitFor. */

import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { createRegion, hashMangler, type KeyEvent, NO_VALUE, type Region } from '@stockpile/core';
import { BACKENDS, failureOf, regionOn, VARIANTS } from './fixtures.js';

afterEach(() => {
  jest.restoreAllMocks();
});

function heardBy(region: Region, key: string | null): { events: string[]; subscription: Disposable } {
  const events: string[] = [];
  const subscription = region.subscribe(key, ({ type, key: of, local }) => events.push(`${type} ${of} ${local}`));
  return { events, subscription };
}

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('80: a subscriber to all hears set, delete and clear of the namespace, with the keys of the application', async () => {
    const { region } = regionOn(backend, {}, { name: 'a:b' });
    const { events } = heardBy(region, null);
    await of(region).set('k', 1);
    await of(region).setMulti({ l: 1, m: 1 });
    await of(region).getOrCreate('n', () => 1);
    await of(region).increment('k');
    await of(region).delete('k');
    await of(region).delete('k'); // was not there
    await of(region).get('l');
    await of(region).deleteMulti(['l', 'x']);
    await of(region).clear();
    expect(events).toEqual([
      'set k true',
      'set l true',
      'set m true',
      'set n true',
      'set k true',
      'delete k true',
      'delete l true',
      'clear undefined true',
    ]);
  });

  test('80: a subscriber to one key hears of that key, and of a clear', async () => {
    const { region } = regionOn(backend);
    const { events } = heardBy(region, 'k');
    for (const key of ['k', 'kk', 'K', 'k2']) await of(region).set(key, 1);
    await of(region).delete('kk');
    await of(region).clear();
    expect(events).toEqual(['set k true', 'clear undefined true']);
  });

  test('80: other namespaces of the store are not heard', async () => {
    const { region } = regionOn(backend, {}, { name: 'users' });
    const neighbour = createRegion({ name: 'users2' }).configure(region.actualBackend);
    const { events } = heardBy(region, null);
    const { events: ofKey } = heardBy(region, 'k');
    await of(neighbour).set('k', 1);
    await of(neighbour).clear();
    expect([...events, ...ofKey]).toEqual([]);
  });

  test('80: disposing stops it, also twice', async () => {
    const { region } = regionOn(backend);
    const { events, subscription } = heardBy(region, null);
    const { events: others } = heardBy(region, null);
    await of(region).set('k', 1);
    subscription[Symbol.dispose]();
    subscription[Symbol.dispose]();
    await of(region).set('k', 2);
    expect([events, others]).toEqual([['set k true'], ['set k true', 'set k true']]);
  });

  test.each([[new Error('listener')], ['listener'], [undefined]])(
    '80: a listener that throws %p harms neither the writer nor other listeners; it becomes a warning',
    async (thrown) => {
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const { region } = regionOn(backend);
      region.subscribe(null, () => {
        throw thrown;
      });
      const { events } = heardBy(region, null);
      await of(region).set('k', 1);
      expect(await of(region).get('k')).toBe(1);
      expect(events).toEqual(['set k true']);
      expect(warn).toHaveBeenCalledTimes(1);
      // emitWarning takes errors of its own realm only
      expect(typeof warn.mock.calls[0]?.[0]).toBe('string');
    },
  );
});

describe('subscribe', () => {
  test('80: keys are the original ones, in spite of a mangler', async () => {
    const { region } = regionOn('memory', {}, { keyMangler: hashMangler });
    const { events } = heardBy(region, 'k');
    await region.set('k', 1);
    await region.set('l', 1);
    expect(events).toEqual(['set k true']);
  });

  test('80: overflow is handed on to every subscriber', () => {
    class Losing extends MemoryBackend {
      readonly listeners: ((event: KeyEvent) => void)[] = [];
      override subscribe(_prefix: string, listener: (event: KeyEvent) => void): Disposable {
        this.listeners.push(listener);
        return { [Symbol.dispose]() {} };
      }
    }
    const backend = new Losing();
    const region = createRegion({ name: 'users' }).configure(backend);
    const heard = [heardBy(region, null), heardBy(region, 'k')];
    for (const listener of backend.listeners) listener({ type: 'overflow', key: undefined, local: false });
    for (const listener of backend.listeners) listener({ type: 'set', key: 'users:k', local: false });
    expect(heard.map(({ events }) => events)).toEqual([
      ['overflow undefined false', 'set k false'],
      ['overflow undefined false', 'set k false'],
    ]);
  });

  test.each([[undefined], [5], ['on'], [{}]])('80: %p is no listener', async (listener) => {
    const { region } = regionOn('memory');
    const error = await failureOf(() => region.subscribe(null, listener as unknown as () => void));
    expect(error.code).toBe('ERR_STOCKPILE_VALIDATION');
  });
});

describe.each(BACKENDS)('waitFor over %s', (backend) => {
  test('81: is true at the next event of the key', async () => {
    const { region } = regionOn(backend);
    for (const work of [() => region.set('k', 1), () => region.delete('k'), () => region.clear()]) {
      const waiting = region.waitFor('k');
      await region.set('other', 1);
      await work();
      expect(await waiting).toBe(true);
    }
  });

  test('81: does not take what happened before, nor other keys', async () => {
    const { region } = regionOn(backend);
    await region.set('k', 1);
    const waiting = region.waitFor('k', { timeout: 20 });
    await region.set('kk', 1);
    await region.delete('other');
    expect(await waiting).toBe(false);
  });

  test('81: is true at once if equals holds already, or as soon as it does', async () => {
    const { region } = regionOn(backend);
    await region.set('k', 'ready');
    expect(await region.waitFor('k', { equals: 'ready', timeout: 0 })).toBe(true);
    const waiting = region.waitFor('k', { equals: 'done' });
    await region.set('k', 'almost');
    await region.delete('k');
    await region.set('k', 'done');
    expect(await waiting).toBe(true);
    await region.set('u', undefined);
    expect(await region.waitFor('u', { equals: undefined, timeout: 0 })).toBe(true);
    expect(await region.waitFor('absent', { equals: undefined, timeout: 20 })).toBe(false);
  });

  test('81: is false at timeout', async () => {
    const { region } = regionOn(backend);
    expect(await region.waitFor('k', { timeout: 1 })).toBe(false);
    await region.set('k', 'a');
    expect(await region.waitFor('k', { equals: 'b', timeout: '1ms' })).toBe(false);
  });

  test('81: an abort rejects with its reason, before and while it waits', async () => {
    const { region } = regionOn(backend);
    const reason = new Error('leaving');
    await expect(region.waitFor('k', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = region.waitFor('k', { signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('81: nothing stays behind: neither listener, nor timer, nor abort handler', async () => {
    const { region } = regionOn(backend);
    let open = 0;
    const driver = region.actualBackend as MemoryBackend;
    const plain = driver.subscribe.bind(driver);
    jest.spyOn(driver, 'subscribe').mockImplementation((prefix, listener) => {
      open++;
      const subscription = plain(prefix, listener);
      return {
        [Symbol.dispose]() {
          open--;
          subscription[Symbol.dispose]();
        },
      };
    });
    const { signal } = new AbortController();
    const removed = jest.spyOn(signal, 'removeEventListener');
    const added = jest.spyOn(signal, 'addEventListener');
    const waiting = region.waitFor('k', { timeout: '1h', signal });
    expect(open).toBe(1);
    await region.set('k', 1);
    await waiting;
    await region.waitFor('k', { equals: 1, signal });
    await region.waitFor('k', { timeout: 0, signal });
    await failureOf(() => region.waitFor('', { signal }));
    expect(open).toBe(0);
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
  });
});

describe('waitFor', () => {
  test('81: compares deeply', async () => {
    const { region } = regionOn('memory');
    const waiting = region.waitFor('k', { equals: { list: [1, { a: new Date(0) }] } });
    await region.set('k', { list: [1, { a: new Date(1) }] });
    await region.set('k', { list: [1, { a: new Date(0) }] });
    expect(await waiting).toBe(true);
  });

  test('81: can wait for absence', async () => {
    const { region } = regionOn('memory');
    await region.set('k', 1);
    const waiting = region.waitFor('k', { equals: NO_VALUE });
    await region.set('k', 2);
    await region.delete('k');
    expect(await waiting).toBe(true);
  });

  test.each([[{}], [null], [5]])('81: %p is no signal', async (signal) => {
    const { region } = regionOn('memory');
    const error = await failureOf(() => region.waitFor('k', { signal: signal as unknown as AbortSignal, timeout: 1 }));
    expect(error.code).toBe('ERR_STOCKPILE_VALIDATION');
  });

  test('4, 81: a timeout of null is no duration', async () => {
    const { region } = regionOn('memory');
    const waiting = failureOf(() => region.waitFor('k', { timeout: null as unknown as number }));
    await Promise.resolve();
    await region.set('k', 1); // ends it, were it waiting
    expect((await waiting).code).toBe('ERR_STOCKPILE_VALIDATION');
  });
});

test.each<[string, { equals?: number }]>([
  ['any event', {}],
  ['a value', { equals: 1 }],
])('81, 86: close ends a wait for %s, and leaves no listener', async (_what, options) => {
  const backend = new MemoryBackend();
  let listeners = 0;
  const subscribe = backend.subscribe.bind(backend);
  jest.spyOn(backend, 'subscribe').mockImplementation((prefix, listener) => {
    const subscription = subscribe(prefix, listener);
    listeners++;
    return {
      [Symbol.dispose]: () => {
        listeners--;
        subscription[Symbol.dispose]();
      },
    };
  });
  const region = createRegion().configure(backend);
  const wait = failureOf(() => region.waitFor('k', options));
  expect(listeners).toBe(1);
  await region.close();
  expect((await wait).code).toBe('ERR_STOCKPILE_REGION_CLOSED');
  expect(listeners).toBe(0);
});
