/** @cached: methods whose results are cached. */

import { describe, expect, test } from '@jest/globals';
import { type CachedFunction, cached, createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { BACKENDS, regionOn } from './fixtures.js';

/** The methods that a decorated method has beside the call. */
function handle<A extends readonly unknown[], V>(method: (...args: A) => Promise<V>): CachedFunction<unknown, A, V> {
  return method as CachedFunction<unknown, A, V>;
}

describe.each(BACKENDS)('@cached over %s', (backend) => {
  test('69: instances share one entry', async () => {
    const { region } = regionOn(backend);
    let calls = 0;
    class Users {
      constructor(readonly tenant: string) {}
      @cached(region)
      async load(id: number): Promise<string> {
        return `${this.tenant}${id} #${++calls}`;
      }
    }
    expect(await new Users('a').load(1)).toBe('a1 #1');
    expect(await new Users('b').load(1)).toBe('a1 #1');
    expect(await new Users('b').load(2)).toBe('b2 #2');
    expect(calls).toBe(2);
  });

  test('69: key names the instance', async () => {
    const { region } = regionOn(backend);
    class Users {
      constructor(readonly tenant: string) {}
      @cached(region, {
        key(this: Users, id: number) {
          return [this.tenant, id];
        },
      })
      async load(id: number): Promise<string> {
        return `${this.tenant}${id}`;
      }
    }
    const [a, b] = [new Users('a'), new Users('b')];
    expect(await a.load(1)).toBe('a1');
    expect(await b.load(1)).toBe('b1');
    expect(await handle(a.load).get.call(b, 1)).toBe('b1');
    expect(await handle(a.load).delete.call(a, 1)).toBe(true);
    expect(await handle(a.load).get.call(a, 1)).toBe(NO_VALUE);
    expect(await handle(a.load).get.call(b, 1)).toBe('b1');
  });

  test('69: static methods that call one another do not deadlock', async () => {
    const { region } = regionOn(backend);
    // biome-ignore lint/complexity/noStaticOnlyClass: static methods are what is tested
    class Numbers {
      @cached(region)
      static async fibonacci(n: number): Promise<number> {
        return n < 2 ? n : (await Numbers.fibonacci(n - 1)) + (await Numbers.previous(n));
      }
      @cached(region)
      static async previous(n: number): Promise<number> {
        return Numbers.fibonacci(n - 2);
      }
    }
    expect(await Numbers.fibonacci(20)).toBe(6765);
    expect(await handle(Numbers.previous).get(20)).toBe(2584);
  });

  test('62: get, set, delete, refresh and key go with the method', async () => {
    const { region } = regionOn(backend);
    let calls = 0;
    class Users {
      @cached(region, { name: 'users.load' })
      async load(_id: number): Promise<number> {
        return ++calls;
      }
    }
    const load = handle(new Users().load);
    expect(load.key(1)).toBe('users.load(1)');
    expect(await load.get(1)).toBe(NO_VALUE);
    await load.set(50, 1);
    expect(await new Users().load(1)).toBe(50);
    expect(await load.refresh.call(new Users(), 1)).toBe(1);
    expect(await new Users().load(1)).toBe(1);
    expect(await load.delete(1)).toBe(true);
    expect(await new Users().load(1)).toBe(2);
  });

  test('61: options are those of cacheFunction', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s' });
    let calls = 0;
    class Users {
      @cached(region, { expirationTime: (id: number) => id * 1000 })
      async load(_id: number): Promise<number> {
        return ++calls;
      }
    }
    const users = new Users();
    await users.load(5);
    clock.time += 4999;
    expect(await users.load(5)).toBe(1);
    clock.time += 1;
    expect(await users.load(5)).toBe(2);
  });
});

describe('the decorated method', () => {
  test('66: has the name and length of the plain one, which is its original', async () => {
    const region = createRegion().configure('memory');
    class Users {
      @cached(region)
      async load(_id: number, _deep: boolean): Promise<string> {
        return 'plain';
      }
    }
    const { load } = Users.prototype;
    expect([load.name, load.length]).toEqual(['load', 2]);
    expect(await handle(load).original(1, true)).toBe('plain');
  });

  test('67: two classes with a method of one name in a region are told to choose names', () => {
    const region: Region = createRegion();
    class Users {
      @cached(region)
      async load(): Promise<number> {
        return 1;
      }
    }
    expect(Users).toBeDefined();
    function another(options: { name?: string }): unknown {
      class Orders {
        @cached(region, options)
        async load(): Promise<number> {
          return 2;
        }
      }
      return Orders;
    }
    expect(() => another({})).toThrow(expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }));
    expect(() => another({ name: 'orders.load' })).not.toThrow();
  });

  test('a private method and one named by a symbol work too', async () => {
    const region = createRegion().configure('memory');
    const load = Symbol('load');
    let calls = 0;
    class Users {
      @cached(region)
      async #load(): Promise<number> {
        return ++calls;
      }
      @cached(region)
      async [load](): Promise<number> {
        return this.#load();
      }
      both(): Promise<number[]> {
        return Promise.all([this.#load(), this[load]()]);
      }
    }
    expect(await new Users().both()).toEqual([1, 1]);
    expect(await new Users().both()).toEqual([1, 1]);
  });

  test('66: sync results are cached and answered with a promise', async () => {
    const region = createRegion().configure('memory');
    let calls = 0;
    class Users {
      @cached(region)
      count(): Promise<number> {
        return ++calls as unknown as Promise<number>;
      }
    }
    const answer = new Users().count();
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toBe(1);
    expect(await new Users().count()).toBe(1);
  });
});
