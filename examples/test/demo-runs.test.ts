/** The whole demo, and the quick start, as child processes on the built files. */

import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { temporaryDirectory, writeCheckout, writeTree } from './installed-tree.js';

const MAIN = resolve('examples/dist/demo/main.js');
const checkout = temporaryDirectory();
beforeAll(() => writeCheckout(checkout.path));
afterAll(() => checkout.remove());

describe('the demo', () => {
  const run = (args: readonly string[], cwd = checkout.path, env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [MAIN, ...args], { cwd, encoding: 'utf8', env: { ...process.env, ...env } });
  const QUICK = ['--seconds', '0.2', '--callers', '4'];

  test('ends well, with a row for each backend that needs no server', () => {
    const { status, stdout, stderr } = run(QUICK);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Stockpile demo: .*\n7 packages in .*: \d+ files, .*\n/);
    for (const name of ['memory', 'memory-pickle', 'lru']) {
      // requests, time, requests/s, hit ratio, creator calls, p50, p99, time saved
      expect(stdout).toMatch(
        new RegExp(`^${name} +50,000 +\\S+ m?s +[\\d,]+ +99\\.\\d % +7 .* [\\d.]+ (min \\d+ s|s|ms)$`, 'm'),
      );
    }
    expect(stdout).toMatch(/^null \(uncached\) .* 0\.0 % .* -$/m);
    expect(stdout).toMatch(/^Time saved: /m);
    expect(stdout).toMatch(/^Identical: all \d+ reports from null, memory, memory-pickle, lru/m);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).not.toMatch(/^(Not installed|Installed, but not usable here): /m);
  });

  test('starts to print within 3 seconds', async () => {
    const child = spawn(process.execPath, [MAIN, ...QUICK, '--backend', 'memory'], { cwd: checkout.path });
    const started = performance.now();
    const first = await new Promise<number>((done) => {
      child.stdout.once('data', () => done(performance.now() - started));
    });
    await new Promise((done) => child.once('close', done));
    expect(first).toBeLessThan(3000);
  });

  test('runs one backend, some keys', () => {
    const { status, stdout } = run([...QUICK, '--backend', 'lru', '--keys', '2']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^2 of 7 packages in /m);
    expect(stdout).toMatch(/^lru +50,000/m);
    expect(stdout).not.toMatch(/^memory/m);
  });

  test.each(['memory', 'memory-pickle', 'lru'])('exits with 1 when %s gives another report', (name) => {
    const { status, stdout } = run([...QUICK, '--backend', name], checkout.path, { STOCKPILE_DEMO_TAMPER: name });
    expect(stdout).toMatch(
      new RegExp(`^Different: ${name} gave another report of \\S+: bytes \\d+ instead of \\d+`, 'm'),
    );
    expect(stdout).not.toContain('Identical');
    expect(status).toBe(1);
  });

  test('works for a project with a single package', () => {
    const { path, remove } = temporaryDirectory();
    writeTree(path, { 'node_modules/x/package.json': { name: 'x', version: '1.0.0' } });
    const { status, stdout } = run(QUICK, path);
    expect(stdout).toMatch(/^1 package in .*: 1 file, 30 bytes; 4 concurrent callers/m);
    expect(status).toBe(0);
    rmSync(join(path, 'node_modules/x'), { recursive: true });
    expect(run(QUICK, path)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^node_modules holds no package/),
    });
    remove();
  });

  test('says in one line that there is no node_modules', () => {
    const { path, remove } = temporaryDirectory();
    const { status, stderr } = run(QUICK, path);
    expect(stderr).toBe(
      `there is no node_modules in ${path}; run 'npm ci' there, or start the demo where packages are installed\n`,
    );
    expect(status).toBe(1);
    remove();
  });

  test('exits with 2 for wrong options and unknown backends', () => {
    expect(run(['--workers', '0'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: "--workers: '0' is not a whole number from 1 to 32; leave it out for one process\n",
    });
    expect(run(['--backend', 'lur'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^--backend: 'lur' is none of null, memory, .*; leave it out for all/),
    });
  });

  test('has a help', () => {
    expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringMatching(/--seconds S/), stderr: '' });
  });
});

test('the quick start runs as README shows it', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['examples/dist/quick-start.js'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toBe("loading user 1\n{ name: 'User 1' }\nloading user 1\n{ name: 'User 1' }\n");
});
