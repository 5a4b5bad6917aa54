/**
 * What the compiler must accept and refuse: checked by `npm run types`, never run. Every `@ts-expect-error` fails the
 * check if the line below it compiles.
 */

import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import {
  type ArgumentsOf,
  type CachedFunction,
  cached,
  createRegion,
  type Duration,
  type Entry,
  NO_VALUE,
  type NoValue,
  ProxyBackend,
  type Region,
  registerBackend,
  type SyncRegion,
} from '@stockpile/core';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where `A` and `B` are the same type. */
function same<A, B>(_equal: Equal<A, B>): void {}

interface User {
  readonly id: number;
  readonly name: string;
}

interface Loaded {
  id: number;
  deep: boolean;
  tags: string[];
}

export function argumentsByName(): void {
  createRegion().configure('memory', { arguments: { cacheMap: new Map(), clone: true } });
  createRegion().configure('memory', { arguments: {} });
  createRegion().configure('memory');
  // @ts-expect-error no such argument
  createRegion().configure('memory', { arguments: { maxItems: 5 } });
  // @ts-expect-error a Map, not an object
  createRegion().configure('memory', { arguments: { cacheMap: {} } });
  // @ts-expect-error true or false
  createRegion().configure('memory', { arguments: { clone: 'yes' } });

  createRegion().configure('lru', {
    arguments: { maxItems: 5, maxBytes: '128M', defaultTtl: '1h', onDelete: () => {} },
  });
  createRegion().configure('lru', {
    arguments: { onDelete: (key, _value, reason) => same<typeof key, string>(reason !== 'evict' || true) },
  });
  // @ts-expect-error a number
  createRegion().configure('lru', { arguments: { maxItems: '5' } });
  // @ts-expect-error no unit of that name
  createRegion().configure('lru', { arguments: { maxBytes: '128T' } });
  // @ts-expect-error of another backend
  createRegion().configure('lru', { arguments: { cacheMap: new Map() } });

  // @ts-expect-error it has none
  createRegion().configure('memory-pickle', { arguments: { clone: true } });
  // @ts-expect-error it has none
  createRegion().configure('null', { arguments: { url: 'x' } });

  // free for names that no package has typed
  createRegion().configure('theirs', { arguments: { anything: 1 } });
  same<ArgumentsOf<'theirs'>, Readonly<Record<string, unknown>>>(true);
  registerBackend('lru', (args) => {
    same<typeof args.maxItems, number | undefined>(true);
    return new ProxyBackend();
  });
}

export function options(): void {
  createRegion().configure('memory', { expirationTime: '10m', grace: 5, timeout: '250ms', lockTimeout: Infinity });
  // @ts-expect-error no unit
  createRegion().configure('memory', { expirationTime: '10' });
  // @ts-expect-error no unit of that name
  createRegion().configure('memory', { expirationTime: '10 parsecs' });
  // @ts-expect-error null is not leaving it out
  createRegion().configure('memory', { grace: null });
  // @ts-expect-error not a choice
  createRegion().configure('memory', { stale: 'never' });
  // @ts-expect-error no such option
  createRegion().configure('memory', { expiration: '10m' });
  createRegion().configure('memory', { wrap: [ProxyBackend, new ProxyBackend()] });
  // @ts-expect-error no proxy
  createRegion().configure('memory', { wrap: [Map] });
  const duration: Duration = '7d';
  createRegion().configure('memory', { errorTtl: duration });
  // @ts-expect-error neither a name nor an instance
  createRegion().configure(5);
}

export async function values(users: Region<User>): Promise<void> {
  const found = await users.get('ada');
  same<typeof found, User | NoValue>(true);
  // @ts-expect-error it may be NO_VALUE
  found.name;
  if (found !== NO_VALUE) same<typeof found, User>(true);
  else same<typeof found, NoValue>(true);

  const entry = await users.getEntry('ada');
  same<typeof entry, Entry<User> | NoValue>(true);
  if (entry !== NO_VALUE) same<typeof entry.value, User>(true);
  same<Awaited<ReturnType<typeof users.getMulti>>, (User | NoValue)[]>(true);

  await users.set('ada', { id: 1, name: 'Ada' });
  // @ts-expect-error not a user
  await users.set('ada', 'Ada');
  // @ts-expect-error a property is missing
  await users.setMulti({ ada: { id: 1 } });
  await users.setMulti(new Map([['ada', { id: 1, name: 'Ada' }]]));
  // @ts-expect-error a key is a string
  await users.get(1);
  // @ts-expect-error no such option of a read
  await users.get('ada', { tags: ['t'] });

  const created = await users.getOrCreate('ada', ({ key, signal, stale }) => {
    same<typeof stale, User | NoValue>(true);
    same<typeof signal, AbortSignal>(true);
    return { id: 1, name: key };
  });
  same<typeof created, User>(true);
  // @ts-expect-error the creator makes no user
  await users.getOrCreate('ada', async () => 5);
  await users.getOrCreate('ada', () => ({ id: 1, name: '' }), { shouldCache: (user, key) => user.name === key });
  // @ts-expect-error users have no such property
  await users.getOrCreate('ada', () => ({ id: 1, name: '' }), { shouldCache: (user) => user.age > 5 });
  const many = await users.getOrCreateMulti(new Set(['ada']), (keys) => keys.map((name, id) => ({ id, name })));
  same<typeof many, User[]>(true);
  // @ts-expect-error not aligned values, but one
  await users.getOrCreateMulti(['ada'], () => 5);

  same<Region<User>['sync'], SyncRegion<User>>(true);
  same<ReturnType<SyncRegion<User>['get']>, User | NoValue>(true);
  const made: User = users.sync.getOrCreate('ada', () => ({ id: 1, name: 'Ada' }));
  same<typeof made, User>(true);
  // @ts-expect-error a creator of region.sync answers without a promise
  users.sync.getOrCreate('ada', async () => ({ id: 1, name: 'Ada' }));
  await users.waitFor('ada', { equals: { id: 1, name: 'Ada' } });
  // @ts-expect-error it can never be that
  await users.waitFor('ada', { equals: 5 });
  for await (const [key, user] of users.entries()) same<[typeof key, typeof user], [string, User]>(true);
  same<ReturnType<Region<User>['configure']>, Region<User>>(true);
  const untyped = await createRegion().get('k');
  same<typeof untyped, unknown>(true);
  const inferred = await createRegion().getOrCreate('k', async () => ({ id: 1, name: 'Ada' }));
  same<typeof inferred, { id: number; name: string }>(true);
  const used = await createRegion().getOrCreate('k', async ({ key }) => key, { expirationTime: 5 });
  same<typeof used, string>(true);
  const text = await createRegion().getOrCreate('k', () => 'text', { shouldCache: (value) => value.length > 0 });
  same<typeof text, string>(true);
}

export async function cachedFunctions(region: Region): Promise<void> {
  async function plain(id: number, deep = false, ...tags: string[]): Promise<Loaded> {
    return { id, deep, tags };
  }
  const load = region.cacheFunction(plain);
  const loaded = await load(1, true, 'a', 'b');
  same<typeof loaded, Loaded>(true);
  await load(1);
  // @ts-expect-error an argument is missing
  await load();
  // @ts-expect-error a number
  await load('1');
  // @ts-expect-error texts
  await load(1, true, 5);
  const got = await load.get(1, true);
  same<typeof got, Loaded | NoValue>(true);
  await load.set({ id: 1, deep: true, tags: [] }, 1, true);
  // @ts-expect-error not what the function returns
  await load.set('value', 1);
  // @ts-expect-error the arguments of a call
  await load.delete('1');
  same<ReturnType<typeof load.key>, string>(true);
  same<Awaited<ReturnType<typeof load.refresh>>, Loaded>(true);

  const bound = region.cacheFunction(function total(this: { step: number }, n: number) {
    return this.step + n;
  });
  await bound.call({ step: 1 }, 5);
  // @ts-expect-error it needs its this
  await bound(5);
  same<ReturnType<typeof bound.original>, number | PromiseLike<number>>(true);

  region.cacheFunction((id: number) => id, { key: (id) => [id], expirationTime: (id) => id * 1000 });
  // @ts-expect-error the key gets the arguments of the function
  region.cacheFunction((id: number) => id, { key: (id: string) => id });
  // @ts-expect-error no duration
  region.cacheFunction((id: number) => id, { expirationTime: () => 'soon' });

  const users = createRegion<User>();
  users.cacheFunction(async (id: number) => ({ id, name: '' }));
  // @ts-expect-error a region of users caches users
  users.cacheFunction(async () => 5);

  const many = region.cacheMultiFunction((ids: readonly number[]) => ids.map(String));
  same<Awaited<ReturnType<typeof many>>, string[]>(true);
  same<Awaited<ReturnType<typeof many.get>>, (string | NoValue)[]>(true);
  await many([1, 2]);
  // @ts-expect-error numbers
  await many(['1']);
  // @ts-expect-error one element
  many.key([1]);
}

const region = createRegion();
const users = createRegion<User>();

export class Decorated {
  readonly tenant = 'a';

  @cached(region)
  async load(id: number): Promise<string> {
    return `${id}`;
  }

  @cached(region, {
    key(this: Decorated, id: number) {
      return [this.tenant, id];
    },
    expirationTime: (id) => id,
    shouldCache: (value) => value.length > 0,
  })
  async loadOwn(id: number): Promise<string> {
    return `${this.tenant}${id}`;
  }

  @cached(users)
  async user(id: number): Promise<User> {
    return { id, name: '' };
  }

  // @ts-expect-error the type of the decorated method stays a promise: one that is not async would change it
  @cached(region)
  plain(id: number): string {
    return `${id}`;
  }

  // @ts-expect-error the key gets the arguments of the method
  @cached(region, { key: (id: boolean) => id })
  async wrong(id: number): Promise<string> {
    return `${id}`;
  }
}

export async function decorated(instance: Decorated): Promise<void> {
  same<ReturnType<typeof instance.load>, Promise<string>>(true);
  same<Parameters<typeof instance.load>, [id: number]>(true);
  const load = instance.load as CachedFunction<Decorated, [number], string>;
  same<Awaited<ReturnType<typeof load.get>>, string | NoValue>(true);
  // @ts-expect-error a number
  await instance.load('1');
}
