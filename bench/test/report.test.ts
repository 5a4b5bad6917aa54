import { expect, test } from '@jest/globals';
import { figures, isMissed, verdict } from '../src/figures.js';
import { fill } from '../src/report.js';

test('a figure is the median ratio of the rounds, judged by its limit', () => {
  const rounds = {
    'region.sync.get (memory-pickle)': [130, 260, 120],
    'bare deserialisation (node:v8)': [100, 200, 100],
  };
  const [met] = figures({ pickle: rounds }, undefined);
  expect(met).toMatchObject({ limit: 1.3, ratio: { median: 1.3 } });
  expect(met && verdict(met)).toBe('1.3 (1.25 to 1.3), at most 1.3: ok');
  const [missed] = figures({ pickle: { ...rounds, 'bare deserialisation (node:v8)': [50, 50, 50] } }, undefined);
  expect(missed && verdict(missed)).toContain(': miss');
});

test('a side that the gate refused is a miss', () => {
  const [figure] = figures({ pickle: { 'bare deserialisation (node:v8)': [1] } }, undefined);
  expect(figure && verdict(figure)).toBe('no number: the gate refused a side: miss');
});

test('a figure that is no ratio is judged as it is', () => {
  const [met] = figures({ 'shm-wake-up': { 'median of a round': [34, 60, 40] } }, undefined);
  expect(met && verdict(met)).toBe('40 (37 to 50) µs, at most 100 µs: ok');
  const [missed] = figures({ 'shm-wake-up': { 'median of a round': [101] } }, undefined);
  expect(missed && isMissed(missed)).toBe(true);
});

test('what this machine cannot tell is no miss', () => {
  const skipped = { 'shm-redis': 'there is no redis-server on the PATH' };
  const [figure] = figures({}, undefined, skipped);
  expect(figure && verdict(figure)).toBe('not measured: there is no redis-server on the PATH');
  expect(figure && isMissed(figure)).toBe(false);
});

test('heap figures compare the child processes', () => {
  const heap = { numbers: { map: [100, 100], region: [150, 170] }, objects: { map: [100], region: [120] } };
  expect(figures({}, heap).map(({ ratio }) => ratio?.median)).toEqual([1.6, 1.2]);
});

test('only what stands between the marks of the page is replaced', () => {
  const page = 'prose\n<!-- run -->\nold\n<!-- /run -->\nmore\n';
  expect(fill(page, { run: 'new' })).toBe('prose\n<!-- run -->\nnew\n<!-- /run -->\nmore\n');
  expect(() => fill(page, { absent: 'x' })).toThrow('no place between <!-- absent -->');
});
