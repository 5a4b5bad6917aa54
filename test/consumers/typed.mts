/** A strict TypeScript application; it is type-checked, not run. */

import { regionStore } from '@stockpile/backend-keyv';
import '@stockpile/backend-lru';
import '@stockpile/backend-memcached';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import '@stockpile/backend-redis';
import { Segment, type SegmentOpenError, type SegmentStats, unlinkSegment } from '@stockpile/backend-shm';
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
users.configure('shm', { arguments: { segment: 'app', size: '64M', lifetime: 'persistent', snapshotInterval: '5m' } });
users.configure('shm', { arguments: { size: 'auto', whenFull: 'throw', strict: true, nearCache: { maxItems: 10 } } });
// @ts-expect-error the name of a segment is its argument "segment"
users.configure('shm', { arguments: { name: 'app' } });
// @ts-expect-error there is no such lifetime
users.configure('shm', { arguments: { lifetime: 'forever' } });
// @ts-expect-error a near cache is bounded in items
users.configure('shm', { arguments: { nearCache: { maxBytes: '1M' } } });
users.configure('memcached', { arguments: { url: ['cache1:11211', 'cache2:11211'], maxValueBytes: '1M' } });
// @ts-expect-error an address is a text
users.configure('memcached', { arguments: { url: 11211 } });
users.configure('redis', { arguments: { url: 'redis://localhost', lease: '5s' } });
// @ts-expect-error there is no such argument
users.configure('redis', { arguments: { keyPrefix: 'app:' } });
users.configure('keyv', { arguments: { store: new Map() } });
// @ts-expect-error there is no default store
users.configure('keyv', { arguments: {} });
regionStore(users).get('user:1') satisfies Promise<unknown>;
// a name that no imported package has typed takes anything
users.configure('other', { arguments: { url: 'other://localhost' } });

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

const segment: Segment = Segment.open({ name: 'app', size: '64M' });
segment.get('key') satisfies string | number | Uint8Array | undefined;
// @ts-expect-error the engine keeps texts, bytes and numbers
segment.set('key', { name: 'Ada' });
unlinkSegment('app', { dir: '/dev/shm' }) satisfies boolean;
const room = (error: SegmentOpenError, stats: SegmentStats): number => (error.available ?? 0) + stats.liveBytes;

class Directory {
  @cached(users, { key: (id: number) => id })
  async find(id: number): Promise<User> {
    return { name: `${id}` };
  }
}

type Used = [User, Directory, typeof room, DescribeBackendOptions['stores']];
export const used: Used = [created, new Directory(), room, 'values'];
