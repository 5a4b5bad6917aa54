/** The start that README shows. Run it: `node examples/dist/quick-start.js` */

import { createRegion } from '@stockpile/core';

const users = createRegion<{ name: string }>({ name: 'users' }).configure('lru', { expirationTime: '10m' });

async function loadUser(id: number): Promise<{ name: string }> {
  console.log(`loading user ${id}`); // slow: a database, an API, a computation
  return { name: `User ${id}` };
}

await users.getOrCreate('user:1', () => loadUser(1)); // loads it
console.log(await users.getOrCreate('user:1', () => loadUser(1))); // comes out of the cache

// another backend, by its name: the calls stay as they are
users.configure('memory-pickle', { expirationTime: '10m', replaceExistingBackend: true });
console.log(await users.getOrCreate('user:1', () => loadUser(1))); // a new cache: loads it again
await users.close();
