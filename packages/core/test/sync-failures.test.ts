/** region.sync over a synchronous backend that fails. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type CacheMutex, type Capability, type ConfigureOptions, LocalLocks, NO_VALUE } from '@stockpile/core';
import { regionOn } from './helpers/setups.js';
import { settle, TestClock } from './helpers/time.js';

const error = new Error('no segment');
const fail = (): never => {
  throw error;
};
const unavailable = expect.objectContaining({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: error });

/** With locks that reach other processes, so that a region reads again under them. */
class Shared extends MemoryBackend {
  override readonly capabilities: ReadonlySet<Capability> = new Set([...new MemoryBackend().capabilities, 'locks']);
  readonly locks = new LocalLocks();
  /** Called when a mutex is asked for; throws for the mutex. */
  onLock: () => void = () => {};

  override getMutex(key: string): CacheMutex {
    const mutex = this.locks.mutex(key);
    return {
      acquire: (options) => {
        this.onLock();
        return mutex.acquire(options);
      },
      release: () => mutex.release(),
      locked: () => mutex.locked(),
    };
  }
}

function setUp(options?: ConfigureOptions) {
  const clock = new TestClock();
  const backend = new Shared({ clock });
  return { clock, backend, sync: regionOn(backend, clock, options).sync };
}

function breakDown(backend: Shared, methods: readonly ('get' | 'getMulti' | 'set' | 'setMulti' | 'delete')[]): void {
  for (const method of methods) jest.spyOn(backend, method).mockImplementation(fail);
}

const PARTS: Record<string, (backend: Shared) => void> = {
  reads: (backend) => breakDown(backend, ['get', 'getMulti']),
  writes: (backend) => breakDown(backend, ['set', 'setMulti']),
  locks: (backend) => {
    backend.onLock = fail;
  },
};

describe('a synchronous backend', () => {
  test('31: what arrived between the read and the lock is used', () => {
    const { backend, sync } = setUp();
    backend.onLock = () => sync.set('a', 'arrived');
    const creator = jest.fn(() => 'unneeded');
    expect(sync.getOrCreate('a', creator)).toBe('arrived');
    expect(creator).not.toHaveBeenCalled();
    expect(sync.keyIsLocked('a')).toBe(false);
  });

  test.each(Object.keys(PARTS))('83: whose %s throw leaves getOrCreate to its creator', (part) => {
    const { backend, sync } = setUp();
    PARTS[part]?.(backend);
    expect(sync.getOrCreate('a', () => 'created')).toBe('created');
    expect(sync.getOrCreateMulti(['b', 'c'], (keys) => keys)).toEqual(['b', 'c']);
    for (const key of ['a', 'b', 'c']) expect(sync.keyIsLocked(key)).toBe(false);
    jest.restoreAllMocks();
    expect(sync.getMulti(['a', 'b', 'c'])).toEqual(
      part === 'reads' ? expect.anything() : [NO_VALUE, NO_VALUE, NO_VALUE],
    );
  });

  test.each(Object.keys(PARTS))('83: whose %s throw rejects getOrCreate with failOpen: false', (part) => {
    const { backend, sync } = setUp({ failOpen: false });
    PARTS[part]?.(backend);
    expect(() => sync.getOrCreate('a', () => 'created')).toThrow(unavailable);
    expect(() => sync.getOrCreateMulti(['b', 'c'], (keys) => keys)).toThrow(unavailable);
    for (const key of ['a', 'b', 'c']) expect(sync.keyIsLocked(key)).toBe(false);
    jest.restoreAllMocks();
  });

  test('83: whose second read throws leaves getOrCreate to its creator', () => {
    const { backend, sync } = setUp();
    backend.onLock = () => breakDown(backend, ['get', 'getMulti']);
    expect(sync.getOrCreate('a', () => 'created')).toBe('created');
    expect(sync.keyIsLocked('a')).toBe(false);
    jest.restoreAllMocks();
    expect(sync.get('a')).toBe('created');
  });

  test('82, 84: whose reads, writes and deletes throw rejects them with a typed error', () => {
    const { backend, sync } = setUp();
    breakDown(backend, ['get', 'getMulti', 'set', 'setMulti', 'delete']);
    expect(() => sync.get('a')).toThrow(unavailable);
    expect(() => sync.getMulti(['a'])).toThrow(unavailable);
    expect(() => sync.set('a', 1)).toThrow(unavailable);
    expect(() => sync.setMulti({ a: 1 })).toThrow(unavailable);
    expect(() => sync.delete('a')).toThrow(unavailable);
    jest.restoreAllMocks();
    expect(sync.get('a')).toBe(NO_VALUE);
  });
});

test('79: a mutex that answers with a promise is refused, and not left held', async () => {
  const clock = new TestClock();
  const backend = new Shared({ clock });
  const { sync } = regionOn(backend, clock);
  jest.spyOn(backend, 'getMutex').mockImplementation((key) => {
    const mutex = backend.locks.mutex(key);
    return {
      acquire: async (options) => mutex.acquire(options),
      release: async () => mutex.release(),
      locked: () => mutex.locked(),
    };
  });
  const creator = jest.fn();
  expect(() => sync.getOrCreate('a', creator)).toThrow(expect.objectContaining({ code: 'ERR_STOCKPILE_CAPABILITY' }));
  expect(() => sync.getOrCreateMulti(['b'], () => [1])).toThrow(
    expect.objectContaining({ code: 'ERR_STOCKPILE_CAPABILITY' }),
  );
  expect(creator).not.toHaveBeenCalled();
  await settle();
  expect([sync.keyIsLocked('a'), sync.keyIsLocked('b')]).toEqual([false, false]);
});
