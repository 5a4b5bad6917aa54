/** The demo on Redis and memcached: on a server that runs, on one of its own, without any; and over Keyv. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@stockpile/backend-redis'; // found by its name it would bring another copy of core, under jest
import { type RunningServer, startMemcached, startRedis } from '@stockpile/servers';
import { keyvStore } from '../src/demo/keyv-store.js';
import { UsageError } from '../src/demo/options.js';
import { NoServerError, openServer } from '../src/demo/server.js';
import { temporaryDirectory, writeCheckout } from './installed-tree.js';
import { countInMemcached, keysOfMemcached, keysOfRedis, setInMemcached, setInRedis } from './stored-keys.js';

const MAIN = resolve('examples/dist/demo/main.js');
const PASSWORD = 'secret-of-the-test';
/** A port that nobody listens on: it is reserved, and needs privileges. */
const CLOSED = 1;
const LONG_MS = 60_000;

const checkout = temporaryDirectory();
let redis: RunningServer;
let memcached: RunningServer;
let urls: { REDIS_URL: string; MEMCACHED_URL: string };
beforeAll(async () => {
  writeCheckout(checkout.path);
  [redis, memcached] = await Promise.all([startRedis({ password: PASSWORD }), startMemcached()]);
  await Promise.all([setInRedis(redis.port, PASSWORD, 'mine'), setInMemcached(memcached.port, 'mine')]);
  urls = {
    REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${redis.port}`,
    MEMCACHED_URL: `127.0.0.1:${memcached.port}`,
  };
});
afterAll(async () => {
  await Promise.all([redis.stop(), memcached.stop()]);
  checkout.remove();
});

const environment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...process.env,
  REDIS_URL: '',
  MEMCACHED_URL: '',
  ...env,
});
const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [MAIN, ...args], { cwd: checkout.path, encoding: 'utf8', env: environment(env) });
/** What a demo leaves: in memcached also where the keys of all demos begin. */
const LEFT = { redis: ['mine'], memcached: ['mine', 'stockpile-demo:@'] };
const stored = {
  redis: () => keysOfRedis(redis.port, PASSWORD),
  memcached: () => keysOfMemcached(memcached.port),
};
const count = {
  redis: async () => (await stored.redis()).length,
  memcached: () => countInMemcached(memcached.port),
};

describe('a server that runs', () => {
  test.each([
    ['redis', 'one for each package'],
    ['memcached', 'one for each package, as long as memcached evicts neither a lock nor an entry'],
  ] as const)(
    '%s: four processes share it, next to lru, and nothing of the demo stays',
    async (backend, claim) => {
      const { status, stdout, stderr } = run(['--backend', backend], urls);
      expect(stderr).toBe('');
      const { port } = backend === 'redis' ? redis : memcached;
      const variable = `${backend.toUpperCase()}_URL`;
      expect(stdout).toContain(
        `\n${backend}: through the running server at 127.0.0.1:${port} (named by ${variable}).\n7 packages in `,
      );
      expect(stdout).not.toContain(PASSWORD);
      expect(stdout).toMatch(new RegExp(`^${backend} +4 +200,000 .* 7 +1 `, 'm'));
      expect(stdout).toContain(
        `\n${backend}: 7 packages, 7 creator calls by 4 processes (${claim}); ` +
          'lru: 28 (each process computes each report for itself).\n',
      );
      expect(stdout).toContain(`\nIdentical: all 56 reports from ${backend}, lru in 4 processes equal`);
      expect(status).toBe(0);
      expect(await stored[backend]()).toEqual(LEFT[backend]);
    },
    LONG_MS,
  );

  test('as many processes as are asked for; a changed report is found', () => {
    const { status, stdout } = run(['--backend', 'redis', '--workers', '1'], {
      ...urls,
      STOCKPILE_DEMO_TAMPER: 'redis',
    });
    expect(stdout).toMatch(/^redis +1 +50,000 /m);
    expect(stdout).toMatch(/^Different: redis in process 1 of 1 gave another report of /m);
    expect(status).toBe(1);
  });

  test.each(['redis', 'memcached'] as const)(
    '%s: what an interrupted demo has stored is removed',
    async (backend) => {
      const demo = spawn(process.execPath, [MAIN, '--backend', backend], {
        cwd: checkout.path,
        env: environment(urls),
        stdio: 'ignore',
      });
      const closed = once(demo, 'close');
      while ((await count[backend]()) < 4) await sleep(10);
      demo.kill('SIGTERM'); // to the demo alone: it has to end its workers
      expect(await closed).toEqual([null, 'SIGTERM']);
      expect(await stored[backend]()).toEqual(LEFT[backend]);
    },
    LONG_MS,
  );

  test(
    'is left alone by a demo that names none, which says that there is more',
    async () => {
      let connections = 0;
      const listener = createServer((socket) => {
        connections++;
        socket.destroy();
      }).listen(0, '127.0.0.1');
      await once(listener, 'listening');
      const { port } = listener.address() as { port: number };
      const { status, stdout } = run(['--seconds', '0.2'], {
        REDIS_URL: `redis://127.0.0.1:${port}`,
        MEMCACHED_URL: `127.0.0.1:${port}`,
      });
      for (let turns = 0; turns < 10; turns++) await setImmediate(); // who has come meanwhile is taken in
      listener.close();
      expect(connections).toBe(0);
      expect(status).toBe(0);
      expect(stdout).not.toMatch(/^(redis|memcached|keyv) |not usable here/m);
      expect(stdout.trimEnd().split('\n').at(-1)).toBe(
        'Further ones: npm run demo -- --backend redis, --backend memcached, --backend keyv.',
      );
    },
    LONG_MS,
  );
});

// These need the usual ports of this machine to be free, as they are where tests run for themselves.
const taken = await Promise.all([6379, 11_211].map(answers));
(taken.includes(true) ? describe.skip : describe)('no server at the usual ports (skipped where one is)', () => {
  test.each([
    ['redis', 'redis-server', 6379],
    ['memcached', 'memcached', 11_211],
  ])('%s: one is started, and ends with the demo', (backend, program, usual) => {
    const { status, stdout, stderr } = run(['--backend', backend, '--workers', '2']);
    expect(stderr).toBe('');
    const line = new RegExp(
      `^${backend}: through ${program}, started for this demo at (/.*), since .*:${usual}\\.$`,
      'm',
    );
    expect(stdout).toMatch(line);
    expect(stdout).toMatch(new RegExp(`^${backend}: 7 packages, 7 creator calls by 2 processes \\(one for`, 'm'));
    expect(status).toBe(0);
    expect(existsSync(dirname(line.exec(stdout)?.[1] ?? '/'))).toBe(false);
  });

  test.each(['redis', 'memcached'])(
    '%s: Ctrl-C ends the one that was started',
    async (backend) => {
      const demo = spawn(process.execPath, [MAIN, '--backend', backend], {
        cwd: checkout.path,
        detached: true,
        env: environment({}),
      });
      const closed = once(demo, 'close');
      let stdout = '';
      let stderr = '';
      demo.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
      demo.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
      const socket = (): string | undefined => /started for this demo at (\/\S+),/.exec(stdout)?.[1];
      while (socket() === undefined) await sleep(10);
      const path = socket() ?? '';
      expect(await answers(path)).toBe(true);
      process.kill(-(demo.pid ?? 0), 'SIGINT');
      expect(await closed).toEqual([null, 'SIGINT']);
      expect(stderr).toBe('');
      expect(await answers(path)).toBe(false);
      expect(existsSync(dirname(path))).toBe(false);
    },
    LONG_MS,
  );

  test.each([
    ['redis', 'redis-server', 'REDIS_URL', 6379],
    ['memcached', 'memcached', 'MEMCACHED_URL', 11_211],
  ])('%s: without a program to start, one line says what to install', (backend, program, variable, port) => {
    expect(run(['--backend', backend], { PATH: checkout.path })).toMatchObject({
      status: 1,
      stdout: '',
      stderr:
        `${backend}: there is no server to use at 127.0.0.1:${port}, and no ${program} on the PATH to start one; ` +
        `install it (Debian: apt-get install ${program}), or name a server in ${variable}\n`,
    });
  });
});

describe('a server that cannot be used', () => {
  test('one that does not answer is an error where it was asked for', () => {
    const env = { REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${CLOSED}` };
    expect(run(['--backend', 'redis'], env)).toMatchObject({
      status: 1,
      stdout: '',
      stderr:
        `redis: the server at 127.0.0.1:${CLOSED}, named by REDIS_URL, cannot be used: connect ECONNREFUSED ` +
        `127.0.0.1:${CLOSED}; correct REDIS_URL, or unset it, and the demo starts a server of its own\n`,
    });
  });

  test('one that wants a password, too', async () => {
    const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}` };
    const opening = openServer('redis', { name: 'test' }, env);
    await expect(opening).rejects.toThrow(NoServerError);
    await expect(opening).rejects.toThrow(/^redis: the server at 127\.0\.0\.1:\d+, .*, cannot be used: .*NOAUTH/);
  });

  test.each([
    ['redis', { REDIS_URL: `http://u:${PASSWORD}@h` }, 'begins with redis://, rediss:// or redis+unix://, not http://'],
    ['memcached', { MEMCACHED_URL: `redis://u:${PASSWORD}@h` }, "'redis://' is no scheme of memcached; use "],
  ])('%s: a wrong URL is a wrong option', (backend, env, message) => {
    const { status, stdout, stderr } = run(['--backend', backend], env);
    expect(stderr.split('\n')).toEqual([expect.stringContaining(`${Object.keys(env)[0]}: ${message}`), '']);
    expect(stderr).not.toContain(PASSWORD);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('at the usual address, one that cannot be used is not in the way', async () => {
    const { port } = redis; // without its password
    const server = await openServer('redis', { name: 'test' }, {}, `redis://127.0.0.1:${port}`);
    expect(server?.line).toMatch(/^redis: through redis-server, started for this demo at .* at 127\.0\.0\.1:\d+$/);
    await server?.release([]);
  });

  test('a text of a URL is needed for nothing else', async () => {
    expect(await openServer('lru', { name: 'test' }, { REDIS_URL: 'http://' })).toBeUndefined();
    await expect(openServer('redis', { name: 'test' }, { REDIS_URL: 'http://' })).rejects.toThrow(UsageError);
  });
});

describe('keyv', () => {
  test('runs over a Keyv in one process', () => {
    const { status, stdout, stderr } = run(['--backend', 'keyv', '--seconds', '0.2']);
    expect(stderr).toBe('');
    expect(stdout).toContain('\nkeyv: over a Keyv with its own Map, in this process.\n');
    expect(stdout).toMatch(/^keyv +50,000 .* 7 /m);
    expect(stdout).toMatch(/^Identical: all \d+ reports from null, keyv equal/m);
    expect(status).toBe(0);
  });

  test('over a Map where Keyv is not installed', () => {
    const load = (): never => {
      throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    };
    const { store, line } = keyvStore(load);
    expect(store).toBeInstanceOf(Map);
    expect(line).toBe('keyv: over a Map, since the package keyv is not installed here');
    expect(() =>
      keyvStore(() => {
        throw new Error('broken');
      }),
    ).toThrow('broken');
  });
});

/** Whether somebody listens there. */
function answers(where: number | string): Promise<boolean> {
  return new Promise((done) => {
    const socket = typeof where === 'number' ? createConnection(where, '127.0.0.1') : createConnection(where);
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('close', () => socket.destroy()).once('connect', () => socket.destroy());
  });
}
