/** The native part where Node.js is strict with addons: in threads that end, in several threads, in several copies. */

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const FILE = fileURLToPath(import.meta.url);
const PACKAGE = join(dirname(FILE), 'node_modules/@stockpile/backend-shm');

/** The native part, as the driver in that folder loads it. */
async function load(folder = PACKAGE) {
  const { loadNative } = await import(pathToFileURL(join(folder, 'dist/load-native.js')).href);
  const native = loadNative();
  assert.equal(loadNative(), native);
  assert.equal(typeof native.open, 'function');
  return native;
}

/** Starts a thread that loads it; the promise is for its first message, or its end. */
function thread(then) {
  const worker = new Worker(FILE, { workerData: then });
  const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  const loaded = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    ended.then(() => reject(new Error('the thread has ended')), reject);
  });
  return { worker, loaded, ended };
}

const scenes = {
  async 'in a worker alone'() {
    const { loaded, ended } = thread('end');
    assert.equal(await loaded, 'loaded');
    assert.equal(await ended, 0);
  },
  async 'after a terminated worker'() {
    for (const then of ['wait', 'spin', 'wait']) {
      const { worker, loaded, ended } = thread(then);
      await loaded;
      assert.equal(await worker.terminate(), 1);
      assert.equal(await ended, 1);
    }
    const { loaded, ended } = thread('end');
    await loaded;
    assert.equal(await ended, 0);
    await load();
  },
  async 'in several threads'() {
    await load();
    const threads = Array.from({ length: 4 }, () => thread('end'));
    assert.deepEqual(await Promise.all(threads.map(({ ended }) => ended)), [0, 0, 0, 0]);
    await load();
  },
  async 'in two copies of the package'() {
    const copy = join(dirname(FILE), 'nested/node_modules/@stockpile/backend-shm');
    cpSync(PACKAGE, copy, { recursive: true });
    const [own, other] = [await load(), await load(copy)];
    assert.notEqual(own, other);
    assert.deepEqual(Object.keys(own), Object.keys(other));
  },
};

if (isMainThread) {
  const scene = scenes[process.argv[2]];
  assert.ok(scene, `${process.argv[2]} is none of ${Object.keys(scenes).join(', ')}`);
  await scene();
} else {
  await load();
  parentPort.postMessage('loaded');
  if (workerData === 'wait') setInterval(() => {}, 1000);
  while (workerData === 'spin');
}
