/** A strict TypeScript application; it is type-checked, not run. */

import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import { type CachedFunction, cached, createRegion, NO_VALUE, type NoValue, type Region } from '@stockpile/core';
import { type DescribeBackendOptions, ManualClock } from '@stockpile/testkit';

interface User {
  readonly name: string;
}

const users: Region<User> = createRegion<User>({ name: 'users', clock: new ManualClock() });

// the arguments of a backend are typed by its name, once its package is imported
users.configure('lru', { expirationTime: '10m', arguments: { maxBytes: '1M', maxItems: 10 } });
users.configure('lru', { arguments: { maxBytes: 1024, onDelete: (key) => key.toUpperCase() } });
users.configure('memory', { arguments: { clone: true } });
// @ts-expect-error maxBytes is a size
users.configure('lru', { arguments: { maxBytes: true } });
// @ts-expect-error there is no such argument
users.configure('lru', { arguments: { maximum: 1 } });
// @ts-expect-error that is an argument of lru
users.configure('memory', { arguments: { maxItems: 1 } });
// @ts-expect-error memory-pickle takes none
users.configure('memory-pickle', { arguments: { clone: true } });
// a name that no imported package has typed takes anything
users.configure('redis', { arguments: { url: 'redis://localhost' } });

const created: User = await users.getOrCreate('user:1', async ({ key, signal }) => {
  signal.throwIfAborted();
  return { name: key };
});
const got: User | NoValue = await users.get('user:1');
if (got !== NO_VALUE) got.name satisfies string;
// @ts-expect-error a miss must be told apart first
got.name;
// @ts-expect-error a creator makes values of the region's type
users.getOrCreate('user:1', () => 'Ada');
// @ts-expect-error keys are strings
users.get(1);

const load: CachedFunction<unknown, [id: number], User> = users.cacheFunction((id: number) => ({ name: `${id}` }));
(await load(1)) satisfies User;
// @ts-expect-error typed like the function
load('1');

class Directory {
  @cached(users, { key: (id: number) => id })
  async find(id: number): Promise<User> {
    return { name: `${id}` };
  }
}

export const used: [User, Directory, DescribeBackendOptions['stores']] = [created, new Directory(), 'values'];
