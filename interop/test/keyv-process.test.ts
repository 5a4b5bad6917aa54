/** A whole process around a store that fails: it prints nothing, rejects nowhere unheard, and can end. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);

/** Runs what is built, in a process of its own, from the folder that sees both versions of Keyv. */
async function outcome(code: string): Promise<{ stdout: string; stderr: string; after: number }> {
  const start = performance.now();
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: 'interop',
    timeout: 20_000,
  });
  return { stdout, stderr, after: performance.now() - start };
}

const SCENE = (keyv: string): string => `
  import { EventEmitter } from 'node:events';
  import { createRegion, StockpileError } from '@stockpile/core';
  import '@stockpile/backend-keyv';
  import { Keyv } from '${keyv}';

  class Store extends EventEmitter {
    opts = { dialect: 'redis', url: '' };
    trouble = () => undefined;
    async get() { return this.trouble(); }
    async set() { return this.trouble(); }
    async delete() { return this.trouble(); }
    async clear() { return this.trouble(); }
    async *iterator() { yield ['key', await this.trouble()]; }
  }
  const troubles = [
    () => new Promise(() => {}),
    async () => { throw new Error('rejects'); },
    async function () { this.emit('error', new Error('emitted')); return false; },
    function () { setTimeout(() => this.emit('error', new Error('later')), 5); return new Promise(() => {}); },
  ];
  for (const trouble of troubles) {
    const store = new Store();
    store.trouble = trouble;
    const region = createRegion({ name: 'r' }).configure('keyv', { timeout: 100, arguments: { store: new Keyv({ store }) } });
    const work = ['get', 'set', 'delete', 'clear'].map((method) => region[method]('key', 1));
    work.push(region.getMulti(['a', 'b']), region.setMulti({ a: 1 }), region.deleteMulti(['a']));
    for (const { status, reason } of await Promise.allSettled(work)) {
      if (status !== 'rejected' || !(reason instanceof StockpileError)) throw new Error('unexpected: ' + status + reason);
    }
    if ((await region.getOrCreate('key', () => 'created')) !== 'created') throw new Error('not created');
    await new Promise((resolve) => setTimeout(resolve, 150)); // what is late
    await region.close();
  }`;

test.each(['keyv', 'keyv-6'])(
  '%s over a store that fails in every way',
  async (keyv) => {
    const { stdout, stderr, after } = await outcome(SCENE(keyv));
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
    expect(after).toBeLessThan(10_000); // nothing keeps the process
  },
  30_000,
);

test('a pending call ends with its timeout, and an idle backend keeps nobody', async () => {
  const { stdout, stderr } = await outcome(`
    import { createRegion } from '@stockpile/core';
    import '@stockpile/backend-keyv';
    const store = { get: () => new Promise(() => {}), set: () => true, delete: () => true, on: () => {} };
    const region = createRegion().configure('keyv', { timeout: 100, arguments: { store } });
    await region.set('key', 1);
    await region.get('key').catch((error) => console.log(error.code));
  `);
  expect({ stdout, stderr }).toEqual({ stdout: 'ERR_STOCKPILE_BACKEND_TIMEOUT\n', stderr: '' });
});

test('the package works without keyv being installed', async () => {
  const { stdout, stderr } = await outcome(`
    import { register } from 'node:module';
    const refusing = 'export async function resolve(name, context, next) { if (/keyv(-6)?$/.test(name) && !name.startsWith("@")) throw new Error(name); return next(name, context); }';
    register('data:text/javascript,' + encodeURIComponent(refusing));
    await import('keyv').catch(({ message }) => console.log('refused:', message));
    const { KeyvBackend, regionStore } = await import('@stockpile/backend-keyv');
    const { createRegion } = await import('@stockpile/core');
    const region = createRegion().configure(new KeyvBackend({ store: new Map() }));
    await regionStore(region).set('key', 'value');
    console.log(await region.get('key'));
  `);
  expect({ stdout, stderr }).toEqual({ stdout: 'refused: keyv\nvalue\n', stderr: '' });
});
